//! Header values put together on the stack: several are made for every request, and `format!` costs more than the
//! values are long.

use std::net::IpAddr;

use http::HeaderValue;

/// A value in the making, of at most `N` bytes. What does not fit makes no value.
pub(crate) struct Written<const N: usize> {
    bytes: [u8; N],
    len: usize,
    whole: bool,
}

// === impl Written ===

impl<const N: usize> Written<N> {
    pub(crate) const fn new() -> Self {
        Written { bytes: [0; N], len: 0, whole: true }
    }

    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.push(text.as_bytes());
        self
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.push(bytes);
        self
    }

    pub(crate) fn decimal(&mut self, value: u64) -> &mut Self {
        self.digits::<10>(value);
        self
    }

    /// Lower case, without a prefix.
    pub(crate) fn hexadecimal(&mut self, value: u64) -> &mut Self {
        self.digits::<16>(value);
        self
    }

    pub(crate) fn address(&mut self, address: IpAddr) -> &mut Self {
        match address {
            IpAddr::V4(v4) => {
                for (index, octet) in v4.octets().into_iter().enumerate() {
                    if index > 0 {
                        self.push(b".");
                    }
                    let [hundreds, tens, ones] = [b'0' + octet / 100, b'0' + octet / 10 % 10, b'0' + octet % 10];
                    match octet {
                        0..=9 => self.push(&[ones]),
                        10..=99 => self.push(&[tens, ones]),
                        100.. => self.push(&[hundreds, tens, ones]),
                    }
                }
                self
            }
            IpAddr::V6(v6) => self.text(&v6.to_string()),
        }
    }

    #[inline]
    fn push(&mut self, bytes: &[u8]) {
        match self.bytes.get_mut(self.len..self.len + bytes.len()) {
            Some(room) => {
                room.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            None => self.whole = false,
        }
    }

    fn digits<const BASE: u64>(&mut self, mut value: u64) {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        let mut text = [b'0'; 20];
        let mut from = text.len();
        for place in text.iter_mut().rev() {
            let digit = usize::try_from(value % BASE).unwrap_or_default();
            *place = DIGITS.get(digit).copied().unwrap_or(b'0');
            value /= BASE;
            from -= 1;
            if value == 0 {
                break;
            }
        }
        self.push(text.get(from..).unwrap_or_default());
    }

    /// What is there so far.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The value, if all of it fitted and a header may carry it.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let bytes = self.bytes.get(..self.len).filter(|_| self.whole)?;
        HeaderValue::from_bytes(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_addresses_are_written_as_the_standard_library_writes_them() {
        for value in [0, 9, 10, 4_294_967_296, u64::MAX] {
            assert_eq!(Written::<64>::new().decimal(value).as_bytes(), value.to_string().as_bytes());
            assert_eq!(Written::<64>::new().hexadecimal(value).as_bytes(), format!("{value:x}").as_bytes());
        }
        for address in ["0.0.0.0", "198.51.100.7", "255.255.255.255", "2001:db8::1", "::ffff:1.2.3.4"] {
            let address: IpAddr = address.parse().expect("address");
            assert_eq!(Written::<64>::new().address(address).as_bytes(), address.to_string().as_bytes());
        }
    }

    #[test]
    fn what_does_not_fit_makes_no_value() {
        assert_eq!(Written::<4>::new().text("abc").decimal(1).header(), Some(HeaderValue::from_static("abc1")));
        assert_eq!(Written::<4>::new().text("abc").decimal(12).header(), None);
        assert_eq!(Written::<4>::new().text("a\n").header(), None);
    }
}
