//! What an engine remembers, as bytes: written at an end, read at the next start. Not for other versions, and not for
//! other rules: whoever reads it checks both first.

use std::collections::VecDeque;

/// Has a form in bytes. Reading gives nothing for bytes that end too early or make no sense; it never panics.
pub(crate) trait Keep: Sized {
    fn save(&self, out: &mut Vec<u8>);
    fn load(rest: &mut &[u8]) -> Option<Self>;
}

/// A struct of which every field is kept.
macro_rules! kept {
    ($type:ty { $($field:ident),+ $(,)? }) => {
        impl $crate::keep::Keep for $type {
            fn save(&self, out: &mut Vec<u8>) {
                $($crate::keep::Keep::save(&self.$field, out);)+
            }

            fn load(rest: &mut &[u8]) -> Option<Self> {
                $(let $field = $crate::keep::Keep::load(rest)?;)+
                Some(Self { $($field),+ })
            }
        }
    };
}
pub(crate) use kept;

macro_rules! number {
    ($($type:ty),+) => {
        $(impl Keep for $type {
            fn save(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }

            fn load(rest: &mut &[u8]) -> Option<$type> {
                let (head, tail) = rest.split_first_chunk()?;
                *rest = tail;
                Some(<$type>::from_le_bytes(*head))
            }
        })+
    };
}

number!(u8, u16, u32, u64, u128, f64);

impl Keep for usize {
    fn save(&self, out: &mut Vec<u8>) {
        (*self as u64).save(out);
    }

    fn load(rest: &mut &[u8]) -> Option<usize> {
        usize::try_from(u64::load(rest)?).ok()
    }
}

impl Keep for bool {
    fn save(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn load(rest: &mut &[u8]) -> Option<bool> {
        match u8::load(rest)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl<T: Keep> Keep for Option<T> {
    fn save(&self, out: &mut Vec<u8>) {
        self.is_some().save(out);
        if let Some(value) = self {
            value.save(out);
        }
    }

    fn load(rest: &mut &[u8]) -> Option<Option<T>> {
        Some(if bool::load(rest)? { Some(T::load(rest)?) } else { None })
    }
}

impl<T: Keep> Keep for Vec<T> {
    fn save(&self, out: &mut Vec<u8>) {
        self.len().save(out);
        self.iter().for_each(|value| value.save(out));
    }

    fn load(rest: &mut &[u8]) -> Option<Vec<T>> {
        let length = usize::load(rest)?;
        // No value takes less than a byte, so a length that lies reserves nothing.
        let mut values = Vec::with_capacity(length.min(rest.len()).min(4096));
        for _ in 0..length {
            values.push(T::load(rest)?);
        }
        Some(values)
    }
}

impl<T: Keep> Keep for VecDeque<T> {
    fn save(&self, out: &mut Vec<u8>) {
        self.len().save(out);
        self.iter().for_each(|value| value.save(out));
    }

    fn load(rest: &mut &[u8]) -> Option<VecDeque<T>> {
        Vec::load(rest).map(VecDeque::from)
    }
}

impl Keep for Box<str> {
    fn save(&self, out: &mut Vec<u8>) {
        self.len().save(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn load(rest: &mut &[u8]) -> Option<Box<str>> {
        let length = usize::load(rest)?;
        let (head, tail) = rest.split_at_checked(length)?;
        *rest = tail;
        str::from_utf8(head).ok().map(Box::from)
    }
}

impl<T: Keep, const N: usize> Keep for [T; N] {
    fn save(&self, out: &mut Vec<u8>) {
        self.iter().for_each(|value| value.save(out));
    }

    fn load(rest: &mut &[u8]) -> Option<[T; N]> {
        let mut values = Vec::with_capacity(N);
        for _ in 0..N {
            values.push(T::load(rest)?);
        }
        values.try_into().ok()
    }
}

impl<A: Keep, B: Keep> Keep for (A, B) {
    fn save(&self, out: &mut Vec<u8>) {
        self.0.save(out);
        self.1.save(out);
    }

    fn load(rest: &mut &[u8]) -> Option<(A, B)> {
        Some((A::load(rest)?, B::load(rest)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_less_is_not() {
        type Some4 = (Vec<Option<(u64, f64)>>, (Box<str>, [bool; 3]));
        let value: Some4 = (vec![None, Some((7, 0.5)), None], ("é".into(), [true, false, true]));
        let mut bytes = Vec::new();
        value.save(&mut bytes);
        for end in 0..bytes.len() {
            assert_eq!(Some4::load(&mut bytes.get(..end).expect("shorter")), None, "{end}");
        }
        let mut rest = bytes.as_slice();
        assert_eq!(Some4::load(&mut rest), Some(value));
        assert!(rest.is_empty());
        assert_eq!(Vec::<u64>::load(&mut &[0xff; 16][..]), None, "a length that lies");
    }
}
