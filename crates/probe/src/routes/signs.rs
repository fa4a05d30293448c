//! What the body of a function shows: calls that protect, comparisons, what is read of the request, what goes out.

use oxc_ast::ast::{
    Argument, BinaryExpression, BinaryOperator, CallExpression, CatchClause, Expression, NewExpression, ObjectProperty,
    StaticMemberExpression, StringLiteral, TemplateLiteral, TryStatement, UnaryExpression, UnaryOperator,
};
use oxc_ast_visit::{Visit, walk};

use super::module::Signs;
use super::words::{Names, Purpose};

/// Names for whoever something belongs to.
const OWNERS: [&str; 22] = [
    "userId",
    "user_id",
    "ownerId",
    "owner_id",
    "owner",
    "authorId",
    "author_id",
    "orgId",
    "org_id",
    "organizationId",
    "organization_id",
    "accountId",
    "account_id",
    "tenantId",
    "tenant_id",
    "workspaceId",
    "workspace_id",
    "teamId",
    "createdBy",
    "created_by",
    "clerkId",
    "tokenIdentifier",
];

/// Verbs of databases and services that write.
const WRITES: [&str; 22] = [
    "create",
    "createMany",
    "insert",
    "insertOne",
    "insertMany",
    "update",
    "updateOne",
    "updateMany",
    "upsert",
    "delete",
    "deleteOne",
    "deleteMany",
    "remove",
    "save",
    "destroy",
    "replace",
    "patch",
    "send",
    "publish",
    "enqueue",
    "transaction",
    "$transaction",
];

/// Verbs that say on which rows.
const QUERIES: [&str; 18] = [
    "where",
    "eq",
    "findFirst",
    "findFirstOrThrow",
    "findUnique",
    "findUniqueOrThrow",
    "findMany",
    "findOne",
    "find",
    "update",
    "updateMany",
    "delete",
    "deleteMany",
    "filter",
    "withIndex",
    "and",
    "match",
    "count",
];

/// Calls that make the answer.
const ANSWERS: [&str; 10] = [
    "Response.json",
    "NextResponse.json",
    "res.json",
    "res.send",
    "res.end",
    "json",
    "c.json",
    "reply.send",
    "ctx.json",
    "response.json",
];

/// Words of a name that is compared where a signature is.
const SIGNED: [&str; 5] = ["signature", "hmac", "digest", "expected", "hash"];

/// Collects signs while it walks a function.
pub(super) struct Reader<'n> {
    names: &'n Names,
    pub(super) signs: Signs,
    caught: Vec<String>,
    in_answer: u32,
    in_query: u32,
    hmac: bool,
    constant_time: bool,
    webhook: bool,
    compared: Option<String>,
}

// === impl Reader ===

impl<'n> Reader<'n> {
    pub(super) fn new(names: &'n Names) -> Reader<'n> {
        Reader {
            names,
            signs: Signs::default(),
            caught: Vec::new(),
            in_answer: 0,
            in_query: 0,
            hmac: false,
            constant_time: false,
            webhook: false,
            compared: None,
        }
    }

    /// What several signs together mean.
    pub(super) fn done(mut self) -> Signs {
        let shown = &mut self.signs.shown;
        if self.hmac && self.constant_time {
            shown.signature.get_or_insert_with(|| "createHmac, timingSafeEqual".to_owned());
        } else if let (true, Some(compared)) = (self.hmac, self.compared) {
            shown.weak_signature.get_or_insert(compared);
        }
        self.signs
    }

    fn called(&mut self, path: &str) {
        for purpose in self.names.purposes(path) {
            note(&mut self.signs.shown, purpose, path);
        }
        let last = path.rsplit('.').next().unwrap_or(path);
        let shown = &mut self.signs.shown;
        match last {
            "createHmac" => self.hmac = true,
            "timingSafeEqual" | "safeCompare" | "tsscmp" | "constantTimeEqual" => self.constant_time = true,
            "verify" if self.webhook => {
                shown.signature.get_or_insert_with(|| format!("Webhook.{last}"));
            }
            "json" | "formData" | "text" | "arrayBuffer" | "blob" if path.contains('.') && is_request(path) => {
                shown.input.get_or_insert_with(|| path.to_owned());
            }
            _ => {}
        }
        if WRITES.contains(&last) && path.contains('.') {
            shown.writes = true;
        }
        if !path.contains('.') {
            self.signs.calls.insert(path.to_owned());
        }
    }

    fn leaks(&mut self, what: String) {
        if self.in_answer > 0 {
            self.signs.shown.raw_error.get_or_insert(what);
        }
    }

    fn is_error(&self, name: &str) -> bool {
        matches!(name, "error" | "err" | "exception") || self.caught.iter().any(|caught| caught == name)
    }
}

/// Puts a name where its purpose stands; the first one stays.
pub(super) fn note(shown: &mut palisade_check::facts::routes::Shown, purpose: Purpose, name: &str) {
    let place = match purpose {
        Purpose::Csrf => &mut shown.csrf,
        Purpose::RateLimit => &mut shown.rate_limit,
        Purpose::Identity => &mut shown.identity,
        Purpose::Signature => &mut shown.signature,
        Purpose::Validation => &mut shown.validation,
        Purpose::Ownership => &mut shown.ownership,
        Purpose::Plan => &mut shown.plan,
        Purpose::Errors => {
            shown.catches = true;
            return;
        }
    };
    place.get_or_insert_with(|| name.to_owned());
}

fn is_request(path: &str) -> bool {
    let object = path.split('.').next().unwrap_or_default().to_ascii_lowercase();
    object.starts_with("req") || matches!(object.as_str(), "ctx" | "c" | "event" | "r" | "body" | "_req" | "_request")
}

/// `a.b.c` of an expression, without `await`, calls and brackets; empty where it has no name.
pub(super) fn path(expression: &Expression<'_>) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let mut at = expression.get_inner_expression();
    // Bounded: names of thirty parts are nobody's.
    for _ in 0..30 {
        at = match at {
            Expression::Identifier(name) => {
                parts.push(name.name.as_str());
                break;
            }
            Expression::StaticMemberExpression(member) => {
                parts.push(member.property.name.as_str());
                member.object.get_inner_expression()
            }
            Expression::ComputedMemberExpression(member) => member.object.get_inner_expression(),
            Expression::CallExpression(call) => call.callee.get_inner_expression(),
            Expression::NewExpression(new) => new.callee.get_inner_expression(),
            Expression::AwaitExpression(wait) => wait.argument.get_inner_expression(),
            Expression::ChainExpression(chain) => {
                return match &chain.expression {
                    oxc_ast::ast::ChainElement::CallExpression(call) => path(&call.callee),
                    oxc_ast::ast::ChainElement::StaticMemberExpression(member) => {
                        let object = path(&member.object);
                        if object.is_empty() {
                            member.property.name.to_string()
                        } else {
                            format!("{object}.{}", member.property.name)
                        }
                    }
                    _ => String::new(),
                };
            }
            Expression::ThisExpression(_) => {
                parts.push("this");
                break;
            }
            _ => break,
        };
    }
    parts.reverse();
    parts.join(".")
}

/// Whether the expression names an owner: `userId`, `post.ownerId`, `session.user.id`, `identity.subject`.
fn owner(expression: &Expression<'_>) -> Option<String> {
    let path = path(expression);
    let last = path.rsplit('.').next().unwrap_or(&path);
    let id = path.ends_with("user.id")
        || path.ends_with("session.id")
        || path.ends_with("identity.subject")
        || path.ends_with("owner.id");
    (OWNERS.contains(&last) || id).then_some(path)
}

fn is_nothing(expression: &Expression<'_>) -> bool {
    let inner = expression.get_inner_expression();
    inner.is_null_or_undefined() || inner.is_literal() || inner.is_specific_id("undefined")
}

impl<'a> Visit<'a> for Reader<'_> {
    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        let path = path(&call.callee);
        self.called(&path);
        let last = path.rsplit('.').next().unwrap_or(&path);
        let answers = ANSWERS.contains(&path.as_str()) || (matches!(last, "json" | "send") && path.contains("status"));
        let queries = QUERIES.contains(&last);
        if matches!(last, "has" | "protect") && plan_argument(call) {
            self.signs.shown.plan.get_or_insert_with(|| format!("{path}({{ plan }})"));
        }
        if last == "eq" && path.contains('.') && call.arguments.iter().any(names_owner) {
            self.signs.shown.ownership.get_or_insert_with(|| path.clone());
        }
        if path == "String"
            && self.in_answer > 0
            && let Some(Expression::Identifier(name)) = call.arguments.first().and_then(Argument::as_expression)
            && self.is_error(name.name.as_str())
        {
            self.leaks(format!("String({})", name.name));
        }
        self.in_answer += u32::from(answers);
        self.in_query += u32::from(queries);
        walk::walk_call_expression(self, call);
        self.in_answer -= u32::from(answers);
        self.in_query -= u32::from(queries);
    }

    fn visit_new_expression(&mut self, new: &NewExpression<'a>) {
        let path = path(&new.callee);
        self.webhook |= path == "Webhook";
        let answers = matches!(path.as_str(), "Response" | "NextResponse");
        self.in_answer += u32::from(answers);
        walk::walk_new_expression(self, new);
        self.in_answer -= u32::from(answers);
    }

    fn visit_binary_expression(&mut self, binary: &BinaryExpression<'a>) {
        if binary.operator.is_equality() && !is_nothing(&binary.left) && !is_nothing(&binary.right) {
            if let Some(owner) = owner(&binary.left).or_else(|| owner(&binary.right)) {
                self.signs.shown.ownership.get_or_insert(owner);
            }
            let sides = [path(&binary.left), path(&binary.right)];
            if let Some(side) =
                sides.iter().find(|side| SIGNED.iter().any(|word| side.to_ascii_lowercase().contains(word)))
            {
                self.compared.get_or_insert_with(|| {
                    format!(
                        "{} with {}",
                        side,
                        if binary.operator == BinaryOperator::StrictEquality { "===" } else { "!==" }
                    )
                });
            }
            let texts = [&binary.left, &binary.right];
            if let Some(secret) = texts.iter().find_map(|side| environment_secret(side)) {
                self.signs.shown.shared_secret.get_or_insert(secret);
            }
        }
        walk::walk_binary_expression(self, binary);
    }

    fn visit_unary_expression(&mut self, unary: &UnaryExpression<'a>) {
        if unary.operator == UnaryOperator::Typeof {
            self.signs.shown.validation.get_or_insert_with(|| "typeof".to_owned());
        }
        walk::walk_unary_expression(self, unary);
    }

    fn visit_static_member_expression(&mut self, member: &StaticMemberExpression<'a>) {
        let property = member.property.name.as_str();
        if matches!(property, "message" | "stack" | "cause")
            && let Expression::Identifier(object) = member.object.get_inner_expression()
            && self.is_error(object.name.as_str())
        {
            self.leaks(format!("{}.{property}", object.name));
        }
        if matches!(property, "searchParams" | "body" | "query")
            && path(&member.object).split('.').next().is_some_and(|object| object.to_ascii_lowercase().contains("req"))
        {
            self.signs.shown.input.get_or_insert_with(|| format!("{}.{property}", path(&member.object)));
        }
        walk::walk_static_member_expression(self, member);
    }

    fn visit_object_property(&mut self, property: &ObjectProperty<'a>) {
        if self.in_query > 0
            && let Some(name) = property.key.static_name()
            && OWNERS.contains(&name.as_ref())
        {
            self.signs.shown.ownership.get_or_insert_with(|| format!("where {name}"));
        }
        if self.in_answer > 0
            && let Expression::Identifier(name) = property.value.get_inner_expression()
            && self.caught.iter().any(|caught| caught == name.name.as_str())
        {
            self.leaks(name.name.to_string());
        }
        walk::walk_object_property(self, property);
    }

    fn visit_template_literal(&mut self, template: &TemplateLiteral<'a>) {
        for expression in &template.expressions {
            if let Expression::Identifier(name) = expression
                && self.caught.iter().any(|caught| caught == name.name.as_str())
            {
                self.leaks(format!("`${{{}}}`", name.name));
            }
        }
        walk::walk_template_literal(self, template);
    }

    fn visit_try_statement(&mut self, statement: &TryStatement<'a>) {
        self.signs.shown.catches |= statement.handler.is_some();
        walk::walk_try_statement(self, statement);
    }

    fn visit_catch_clause(&mut self, clause: &CatchClause<'a>) {
        let name = clause.param.as_ref().and_then(|param| param.pattern.get_identifier_name());
        let named = name.is_some();
        self.caught.extend(name.map(|name| name.to_string()));
        walk::walk_catch_clause(self, clause);
        if named {
            self.caught.pop();
        }
    }

    fn visit_string_literal(&mut self, _: &StringLiteral<'a>) {}
}

fn plan_argument(call: &CallExpression<'_>) -> bool {
    call.arguments.iter().any(|argument| match argument {
        Argument::ObjectExpression(object) => object.properties.iter().any(|property| match property {
            oxc_ast::ast::ObjectPropertyKind::ObjectProperty(property) => {
                property.key.static_name().is_some_and(|name| matches!(name.as_ref(), "plan" | "feature"))
            }
            oxc_ast::ast::ObjectPropertyKind::SpreadProperty(_) => false,
        }),
        _ => false,
    })
}

/// `.eq('user_id', ...)`, `eq(posts.userId, ...)`.
fn names_owner(argument: &Argument<'_>) -> bool {
    match argument {
        Argument::StringLiteral(text) => OWNERS.contains(&text.value.as_str()),
        other => other.as_expression().is_some_and(|expression| owner(expression).is_some()),
    }
}

/// `process.env.CRON_SECRET`, alone or inside a template such as `` `Bearer ${process.env.CRON_SECRET}` ``.
fn environment_secret(expression: &Expression<'_>) -> Option<String> {
    let secret = |path: String| {
        let name = path.strip_prefix("process.env.")?.to_owned();
        ["SECRET", "TOKEN", "KEY", "PASSWORD"].iter().any(|word| name.contains(word)).then_some(name)
    };
    match expression.get_inner_expression() {
        Expression::TemplateLiteral(template) => template.expressions.iter().find_map(|inner| secret(path(inner))),
        other => secret(path(other)),
    }
}
