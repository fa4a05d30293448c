//! From source text to a [`Module`], by oxc's parser. Bounded: a text that could exhaust the stack is refused before, and
//! the work runs on a thread with room for all others.

use oxc_allocator::Allocator;
use oxc_ast::ast::{
    Argument, ArrayExpressionElement, BindingPattern, CallExpression, Declaration, Directive,
    ExportDefaultDeclarationKind, Expression, Function, ImportDeclaration, ImportDeclarationSpecifier,
    ImportOrExportKind, ObjectProperty, ObjectPropertyKind, Program, Statement, VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_parser::Parser;
use oxc_span::{GetSpan as _, SourceType};

use palisade_check::facts::routes::Allowance;

use super::module::{Action, Export, Import, Module, RouteCall, Signs, Value};
use super::signs::{Reader, path};
use super::words::Names;

/// The largest source file, in bytes. Generated ones are larger, and no routes.
pub(super) const LARGEST: u64 = 512 * 1024;

/// Stack for parsing, in bytes: more than any text of [`LARGEST`] bytes can need. The system gives only what is used.
pub(super) const STACK: usize = 1 << 30;

/// How deep values are followed into each other.
const DEPTH: u32 = 24;

/// The deepest brackets that are read.
const BRACKETS: usize = 400;

/// Reads a file.
///
/// # Errors
/// Says why it cannot be read: its name, its nesting, its syntax.
pub(super) fn module(file: &str, text: &str, names: &Names) -> Result<Module, String> {
    let kind = SourceType::from_path(file).map_err(|_| "its name has no ending of a script".to_owned())?;
    if is_too_deep(text) {
        return Err("it is nested too deeply".to_owned());
    }
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, text, kind).parse();
    if parsed.panicked {
        return Err("it does not parse".to_owned());
    }
    let mut writer = Writer { text, names, module: Module::default(), functions: 0 };
    writer.program(&parsed.program);
    Ok(writer.module)
}

/// Brackets deeper than anybody writes, or a run of prefixes without a word between them: each would be a call on the
/// stack for a byte or two.
pub(super) fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut run) = (0_usize, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        run = match byte {
            b'!' | b'~' | b'+' | b'<' | b'(' | b'[' | b'{' | b'`' | b'$' => run + 1,
            byte if byte.is_ascii_whitespace() => run,
            _ => 0,
        };
        if depth > BRACKETS || run > BRACKETS {
            return true;
        }
    }
    false
}

struct Writer<'t, 'n> {
    text: &'t str,
    names: &'n Names,
    module: Module,
    /// Functions that the walk is in: only calls outside of all are routes of a router.
    functions: u32,
}

// === impl Writer ===

impl Writer<'_, '_> {
    fn program(&mut self, program: &Program<'_>) {
        self.module.use_server = says(&program.directives, "use server");
        self.module.use_client = says(&program.directives, "use client");
        for comment in &program.comments {
            let (start, end) = (comment.span.start as usize, comment.span.end as usize);
            self.allowance(self.text.get(start..end).unwrap_or_default(), comment.span.start);
        }
        for statement in &program.body {
            self.statement(statement);
        }
        self.visit_program(program);
    }

    fn allowance(&mut self, comment: &str, start: u32) {
        let Some((_, rest)) = comment.split_once("palisade-ok(") else { return };
        let Some((check, reason)) = rest.split_once("):") else { return };
        let reason: String =
            reason.lines().next().unwrap_or_default().trim().trim_end_matches("*/").trim().chars().take(200).collect();
        if !reason.is_empty() {
            let line = self.line(start);
            self.module.allowances.extend(check.split(',').map(|check| Allowance {
                check: check.trim().to_owned(),
                reason: reason.clone(),
                line,
            }));
        }
    }

    fn line(&self, offset: u32) -> u32 {
        let before = self.text.as_bytes().get(..offset as usize).unwrap_or_default();
        u32::try_from(memchr::memchr_iter(b'\n', before).count()).unwrap_or(u32::MAX - 1) + 1
    }

    fn statement(&mut self, statement: &Statement<'_>) {
        match statement {
            Statement::ImportDeclaration(import) => self.import(import),
            Statement::ExportAllDeclaration(all) if all.export_kind == ImportOrExportKind::Value => match &all.exported
            {
                None => self.module.stars.push(all.source.value.to_string()),
                Some(name) => {
                    let value = Value::Elsewhere(Import { source: all.source.value.to_string(), name: None });
                    self.export(name.name().as_str(), all.span.start, value);
                }
            },
            Statement::ExportFromDeclaration(from) if from.export_kind == ImportOrExportKind::Value => {
                for specifier in
                    from.specifiers.iter().filter(|specifier| specifier.export_kind == ImportOrExportKind::Value)
                {
                    let import = Import {
                        source: from.source.value.to_string(),
                        name: Some(specifier.local.name().to_string()),
                    };
                    self.export(specifier.exported.name().as_str(), specifier.span.start, Value::Elsewhere(import));
                }
            }
            Statement::ExportNamedDeclaration(named) if named.export_kind == ImportOrExportKind::Value => {
                for specifier in
                    named.specifiers.iter().filter(|specifier| specifier.export_kind == ImportOrExportKind::Value)
                {
                    let value = Value::Name(specifier.local.name().to_string());
                    self.export(specifier.exported.name().as_str(), specifier.span.start, value);
                }
            }
            Statement::ExportDeclaration(export) => self.exported_declaration(&export.declaration),
            Statement::ExportDefaultDeclaration(default) => {
                let value = match &default.declaration {
                    ExportDefaultDeclarationKind::FunctionDeclaration(function) => {
                        let value = self.function(function);
                        if let Some(name) = function.name() {
                            self.module.locals.insert(name.to_string(), value.clone());
                        }
                        value
                    }
                    other => other.as_expression().map_or(Value::Opaque, |expression| self.value(expression, 0)),
                };
                self.export("default", default.span.start, value);
            }
            Statement::VariableDeclaration(variables) => {
                for declarator in &variables.declarations {
                    for (name, value, _) in self.declared(declarator) {
                        self.module.locals.insert(name, value);
                    }
                }
            }
            Statement::FunctionDeclaration(function) => {
                if let Some(name) = function.name() {
                    let value = self.function(function);
                    self.module.locals.insert(name.to_string(), value);
                }
            }
            _ => {}
        }
    }

    fn export(&mut self, name: &str, at: u32, value: Value) {
        let line = self.line(at);
        self.module.exports.insert(name.to_owned(), Export { line, value });
    }

    fn exported_declaration(&mut self, declaration: &Declaration<'_>) {
        match declaration {
            Declaration::FunctionDeclaration(function) if !function.is_typescript_syntax() => {
                let Some(name) = function.name() else { return };
                let value = self.function(function);
                self.module.locals.insert(name.to_string(), value.clone());
                self.export(name.as_str(), function.span.start, value);
            }
            Declaration::VariableDeclaration(variables) if !variables.declare => {
                for declarator in &variables.declarations {
                    for (name, value, at) in self.declared(declarator) {
                        self.module.locals.insert(name.clone(), value.clone());
                        self.export(&name, at, value);
                    }
                }
            }
            _ => {}
        }
    }

    fn import(&mut self, import: &ImportDeclaration<'_>) {
        if import.import_kind == ImportOrExportKind::Type {
            return;
        }
        for specifier in import.specifiers.iter().flatten() {
            let name = match specifier {
                ImportDeclarationSpecifier::ImportSpecifier(one) if one.import_kind == ImportOrExportKind::Type => {
                    continue;
                }
                ImportDeclarationSpecifier::ImportSpecifier(one) => Some(one.imported.name().to_string()),
                ImportDeclarationSpecifier::ImportDefaultSpecifier(_) => Some("default".to_owned()),
                ImportDeclarationSpecifier::ImportNamespaceSpecifier(_) => None,
            };
            let from = Import { source: import.source.value.to_string(), name };
            self.module.imports.insert(specifier.name().to_string(), from);
        }
    }

    /// The names that a declarator binds: `x = ...`, `{ GET, POST: update } = ...`, `[x] = ...`.
    fn declared(&mut self, declarator: &VariableDeclarator<'_>) -> Vec<(String, Value, u32)> {
        let Some(init) = &declarator.init else { return Vec::new() };
        let value = self.value(init, 0);
        match &declarator.id {
            BindingPattern::BindingIdentifier(name) => vec![(name.name.to_string(), value, name.span.start)],
            BindingPattern::ObjectPattern(object) => {
                let bound = object.properties.iter().filter_map(|property| {
                    let name = property.value.get_identifier_name()?;
                    let key = property.key.static_name()?;
                    Some((
                        name.to_string(),
                        Value::Member(Box::new(value.clone()), key.to_string()),
                        property.span.start,
                    ))
                });
                bound.take(64).collect()
            }
            // `[GET, POST] = handlers`: a member's name is its place.
            BindingPattern::ArrayPattern(list) => {
                let bound = list.elements.iter().enumerate().filter_map(|(at, element)| {
                    let element = element.as_ref()?;
                    let name = element.get_identifier_name()?;
                    let member = Value::Member(Box::new(value.clone()), at.to_string());
                    Some((name.to_string(), member, element.span().start))
                });
                bound.take(64).collect()
            }
            BindingPattern::AssignmentPattern(_) => Vec::new(),
        }
    }

    fn value(&mut self, expression: &Expression<'_>, depth: u32) -> Value {
        if depth > DEPTH {
            return Value::Opaque;
        }
        match expression.get_inner_expression() {
            Expression::ArrowFunctionExpression(arrow) => {
                self.signs(|reader| reader.visit_arrow_function_expression(arrow))
            }
            Expression::FunctionExpression(function) => self.function(function),
            Expression::Identifier(name) => Value::Name(name.name.to_string()),
            Expression::StaticMemberExpression(member) => {
                Value::Member(Box::new(self.value(&member.object, depth + 1)), member.property.name.to_string())
            }
            Expression::AwaitExpression(wait) => self.value(&wait.argument, depth + 1),
            Expression::CallExpression(call) => {
                let callee = path(&call.callee);
                // A curried wrapper, `compose(a, b)(handler)`: what is called first wraps too.
                let inner = match call.callee.get_inner_expression() {
                    Expression::CallExpression(_) => Some(self.value(&call.callee, depth + 1)),
                    _ => None,
                };
                let arguments = self.arguments(call, depth);
                Value::Call { callee, arguments: arguments.into_iter().chain(inner).collect() }
            }
            Expression::ObjectExpression(object) => {
                let properties = object.properties.iter().take(500).filter_map(|property| match property {
                    ObjectPropertyKind::ObjectProperty(property) => {
                        Some((property.key.static_name()?.to_string(), &property.value))
                    }
                    ObjectPropertyKind::SpreadProperty(_) => None,
                });
                Value::Object(properties.map(|(name, value)| (name, self.value(value, depth + 1))).collect())
            }
            Expression::ArrayExpression(list) => {
                let items = list.elements.iter().take(500).filter_map(ArrayExpressionElement::as_expression);
                Value::List(items.map(|item| self.value(item, depth + 1)).collect())
            }
            Expression::StringLiteral(text) => Value::Text(text.value.to_string()),
            Expression::TemplateLiteral(template) if template.expressions.is_empty() => {
                let text = template.quasis.first().and_then(|quasi| quasi.value.cooked);
                text.map_or(Value::Opaque, |text| Value::Text(text.to_string()))
            }
            _ => Value::Opaque,
        }
    }

    fn arguments(&mut self, call: &CallExpression<'_>, depth: u32) -> Vec<Value> {
        call.arguments
            .iter()
            .take(20)
            .filter_map(Argument::as_expression)
            .map(|argument| self.value(argument, depth + 1))
            .collect()
    }

    fn function(&mut self, function: &Function<'_>) -> Value {
        self.signs(|reader| reader.visit_function(function, oxc_syntax::scope::ScopeFlags::Function))
    }

    fn signs(&mut self, read: impl FnOnce(&mut Reader<'_>)) -> Value {
        Value::Function(Box::new(self.read(read)))
    }

    fn read(&mut self, read: impl FnOnce(&mut Reader<'_>)) -> Signs {
        let mut reader = Reader::new(self.names);
        read(&mut reader);
        reader.done()
    }

    fn action(&mut self, name: Option<&str>, at: u32, signs: Signs) {
        let line = self.line(at);
        let name = name.map_or_else(|| format!("inline-{line}"), str::to_owned);
        self.module.actions.push(Action { name, line, signs });
    }
}

fn says(directives: &[Directive<'_>], text: &str) -> bool {
    directives.iter().any(|directive| directive.directive.as_str() == text)
}

/// The walk over the whole file: inline actions, settings, and calls of routers.
impl<'a> Visit<'a> for Writer<'_, '_> {
    fn visit_function(&mut self, function: &Function<'a>, flags: oxc_syntax::scope::ScopeFlags) {
        if function.body.as_ref().is_some_and(|body| says(&body.directives, "use server")) {
            let signs = self.read(|reader| reader.visit_function(function, flags));
            let name = function.name();
            self.action(name.as_ref().map(oxc_ast::ast::Ident::as_str), function.span.start, signs);
        }
        self.functions += 1;
        walk::walk_function(self, function, flags);
        self.functions -= 1;
    }

    fn visit_variable_declarator(&mut self, declarator: &VariableDeclarator<'a>) {
        if let Some(Expression::ArrowFunctionExpression(arrow)) =
            declarator.init.as_ref().map(Expression::get_inner_expression)
            && arrow.body.as_function_body().is_some_and(|body| says(&body.directives, "use server"))
        {
            let signs = self.read(|reader| reader.visit_arrow_function_expression(arrow));
            let name = declarator.id.get_identifier_name();
            self.action(name.as_ref().map(oxc_ast::ast::Ident::as_str), declarator.span.start, signs);
        }
        walk::walk_variable_declarator(self, declarator);
    }

    fn visit_arrow_function_expression(&mut self, arrow: &oxc_ast::ast::ArrowFunctionExpression<'a>) {
        let inline = arrow.body.as_function_body().is_some_and(|body| says(&body.directives, "use server"));
        let start = arrow.span.start;
        let line = self.line(start);
        if inline && !self.module.actions.iter().any(|action| action.line == line) {
            let signs = self.read(|reader| reader.visit_arrow_function_expression(arrow));
            self.action(None, start, signs);
        }
        self.functions += 1;
        walk::walk_arrow_function_expression(self, arrow);
        self.functions -= 1;
    }

    fn visit_object_property(&mut self, property: &ObjectProperty<'a>) {
        if let (Some(name), Expression::StringLiteral(text)) =
            (property.key.static_name(), property.value.get_inner_expression())
            && name == "basePath"
        {
            self.module.settings.insert(name.to_string(), text.value.to_string());
        }
        walk::walk_object_property(self, property);
    }

    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        let callee = path(&call.callee);
        if self.functions == 0 && callee.ends_with(".route") {
            let arguments = self.arguments(call, 0);
            let line = self.line(call.span().start);
            self.module.routes.push(RouteCall { callee, line, arguments });
        }
        walk::walk_call_expression(self, call);
    }
}
