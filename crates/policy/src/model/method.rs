use std::fmt;

/// HTTP methods a route may declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// GET; implies HEAD.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
}

/// A set of methods.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Methods(u8);

// === impl Method ===

impl Method {
    /// Every method, in the order they are listed in `Allow`.
    pub const ALL: [Method; 6] = [Method::Get, Method::Head, Method::Post, Method::Put, Method::Patch, Method::Delete];

    /// The name as sent; case matters (RFC 9110 section 9.1).
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }

    /// The method of that name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Method> {
        Method::ALL.into_iter().find(|method| method.id() == id)
    }

    /// Whether it changes nothing (RFC 9110 section 9.2.1).
    #[must_use]
    pub const fn is_safe(self) -> bool {
        matches!(self, Method::Get | Method::Head)
    }
}

// === impl Methods ===

impl Methods {
    /// No method.
    pub const NONE: Methods = Methods(0);

    /// GET and HEAD.
    pub const READ: Methods = Methods(0b11);

    /// Adds a method; GET brings HEAD along.
    #[must_use]
    pub const fn with(self, method: Method) -> Methods {
        let set = self.0 | 1 << method as u8;
        Methods(if set & 1 == 1 { set | 0b10 } else { set })
    }

    /// Whether the method is in the set.
    #[must_use]
    pub const fn has(self, method: Method) -> bool {
        self.0 & 1 << method as u8 != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Methods) -> Methods {
        Methods(self.0 | other.0)
    }

    /// What both sets share.
    #[must_use]
    pub const fn intersection(self, other: Methods) -> Methods {
        Methods(self.0 & other.0)
    }

    /// The set without one method. Without GET, HEAD stays.
    #[must_use]
    pub const fn without(self, method: Method) -> Methods {
        Methods(self.0 & !(1 << method as u8))
    }

    /// Whether nothing is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether a method that changes something is in the set.
    #[must_use]
    pub const fn has_unsafe(self) -> bool {
        self.0 & !0b11 != 0
    }

    /// The methods in the set.
    pub fn iter(self) -> impl Iterator<Item = Method> {
        Method::ALL.into_iter().filter(move |method| self.has(*method))
    }
}

impl FromIterator<Method> for Methods {
    fn from_iter<I: IntoIterator<Item = Method>>(iter: I) -> Methods {
        iter.into_iter().fold(Methods::default(), Methods::with)
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(method.id())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_brings_head_and_unsafe_methods_are_known() {
        let set: Methods = [Method::Delete, Method::Get].into_iter().collect();
        assert_eq!(set.to_string(), "GET, HEAD, DELETE");
        assert!(set.has(Method::Head) && set.has_unsafe() && !Methods::READ.has_unsafe());
        assert_eq!(set.without(Method::Delete), Methods::READ);
        assert_eq!(set.intersection(Methods::READ).union(Methods::NONE), Methods::READ);
        assert!(Methods::NONE.is_empty() && !Methods::NONE.with(Method::Head).has(Method::Get));
        for method in Method::ALL {
            assert_eq!(Method::from_id(method.id()), Some(method));
            assert_eq!(method.is_safe(), Methods::READ.has(method));
        }
        assert_eq!(Method::from_id("get"), None);
    }
}
