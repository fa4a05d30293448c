//! Powers modulo an odd number, as verifying an RSA signature takes them: Montgomery's multiplication (Handbook of Applied
//! Cryptography, 14.36). Whatever goes in is public, so the time it takes may tell of it; it must never see a private
//! key. A library for secrets as well is twenty times the size, and most of it is not reached from here.

/// An odd number of at least two limbs of 32 bits, the lowest first.
#[derive(Debug)]
pub(super) struct Modulus {
    limbs: Vec<u32>,
    /// `-1 / limbs` modulo 2^32.
    inverse: u32,
}

// === impl Modulus ===

impl Modulus {
    /// Reads big-endian bytes. `None` for an even number, or one below 2^32.
    pub(super) fn read(bytes: &[u8]) -> Option<Modulus> {
        let mut limbs = limbs(bytes);
        let length = limbs.iter().rposition(|limb| *limb != 0)? + 1;
        limbs.truncate(length);
        let lowest = *limbs.first().filter(|limb| length > 1 && *limb % 2 == 1)?;
        Some(Modulus { limbs, inverse: inverse(lowest) })
    }

    /// `base` to `exponent`, in as many big-endian bytes as `base` has. `None` if `base` is not below the modulus, or
    /// `exponent` is 0.
    pub(super) fn power(&self, base: &[u8], exponent: u64) -> Option<Vec<u8>> {
        let width = base.len();
        let mut base = limbs(base);
        let beyond = base.split_off(self.limbs.len().min(base.len()));
        base.resize(self.limbs.len(), 0);
        if exponent == 0 || beyond.iter().any(|limb| *limb != 0) || !self.exceeds(&base) {
            return None;
        }
        let base = self.product(&base, &self.square_of_radix());
        let mut power = base.clone();
        for bit in (0..63 - exponent.leading_zeros().min(63)).rev() {
            power = self.product(&power, &power);
            if exponent >> bit & 1 == 1 {
                power = self.product(&power, &base);
            }
        }
        let one: Vec<u32> = (0..self.limbs.len()).map(|at| u32::from(at == 0)).collect();
        let power = self.product(&power, &one);
        let bytes = power.iter().flat_map(|limb| limb.to_le_bytes()).chain(std::iter::repeat(0)).take(width);
        let mut bytes: Vec<u8> = bytes.collect();
        bytes.reverse();
        Some(bytes)
    }

    /// `a * b / R`, where R is 2^32 to the number of limbs.
    fn product(&self, a: &[u32], b: &[u32]) -> Vec<u32> {
        let mut sum = vec![0; self.limbs.len() + 2];
        for limb in a {
            add_product(&mut sum, *limb, b);
            let lowest = sum.first().copied().unwrap_or_default();
            add_product(&mut sum, lowest.wrapping_mul(self.inverse), &self.limbs);
            // The lowest limb is 0 now: dividing by 2^32 leaves it out.
            sum.rotate_left(1);
        }
        self.reduced(sum)
    }

    /// R^2 modulo the number: R itself by doubling, then its powers of two by products.
    fn square_of_radix(&self) -> Vec<u32> {
        let top = self.limbs.last().map_or(0, |limb| 31 - limb.leading_zeros());
        let mut power = vec![0; self.limbs.len()];
        if let Some(last) = power.last_mut() {
            *last = 1 << top;
        }
        for _ in top..32 {
            power = self.doubled(&power);
        }
        // What R is doubled by: 2 to the number of its bits, read from the front.
        let bits = 32 * self.limbs.len();
        for bit in (0..usize::BITS - bits.leading_zeros()).rev() {
            power = self.product(&power, &power);
            if bits >> bit & 1 == 1 {
                power = self.doubled(&power);
            }
        }
        power
    }

    fn doubled(&self, number: &[u32]) -> Vec<u32> {
        let mut sum = vec![0; number.len() + 1];
        add_product(&mut sum, 2, number);
        self.reduced(sum)
    }

    /// A number below twice the modulus, once less the modulus if it is not below it.
    fn reduced(&self, mut number: Vec<u32>) -> Vec<u32> {
        let mut borrow = false;
        let less = number.iter().zip(self.limbs.iter().chain(std::iter::repeat(&0))).map(|(a, b)| {
            let (limb, under) = a.overflowing_sub(*b);
            let (limb, below) = limb.overflowing_sub(u32::from(borrow));
            borrow = under || below;
            limb
        });
        let less: Vec<u32> = less.collect();
        if !borrow {
            number = less;
        }
        number.truncate(self.limbs.len());
        number
    }

    fn exceeds(&self, number: &[u32]) -> bool {
        self.limbs.iter().rev().gt(number.iter().rev())
    }
}

/// `-1` divided by an odd number, modulo 2^32.
pub(super) fn inverse(odd: u32) -> u32 {
    // Each step of Newton's doubles the bits that are right; an odd number is its own inverse in three.
    (0..4).fold(odd, |x, _| x.wrapping_mul(2u32.wrapping_sub(odd.wrapping_mul(x)))).wrapping_neg()
}

/// Adds `factor * number` to `sum`, which has room for it.
fn add_product(sum: &mut [u32], factor: u32, number: &[u32]) {
    let mut carry = 0;
    for (place, limb) in sum.iter_mut().zip(number.iter().chain(std::iter::repeat(&0))) {
        // At most (2^32 - 1) + (2^32 - 1)^2 + (2^32 - 1) = 2^64 - 1.
        let value = u64::from(*place) + u64::from(factor) * u64::from(*limb) + carry;
        (*place, carry) = (low(value), value >> 32);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is what is wanted")]
pub(super) const fn low(value: u64) -> u32 {
    value as u32
}

/// Big-endian bytes as limbs, the lowest first.
fn limbs(bytes: &[u8]) -> Vec<u32> {
    bytes.rchunks(4).map(|limb| limb.iter().fold(0, |value, byte| value << 8 | u32::from(*byte))).collect()
}

#[cfg(test)]
mod tests {
    use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
    use crypto_bigint::{BoxedUint, Odd};

    use super::*;

    /// By a library, which takes whole limbs of 64 bits.
    fn power(modulus: &[u8], base: &[u8], exponent: u64) -> Vec<u8> {
        let bits = u32::try_from(modulus.len() * 8).expect("bits").next_multiple_of(64);
        let number = |bytes: &[u8]| BoxedUint::from_be_slice(bytes, bits).expect("a number");
        let modulus = Odd::new(number(modulus)).expect("odd");
        let form = BoxedMontyForm::new(number(base), &BoxedMontyParams::new_vartime(modulus));
        let bytes = form.pow(&BoxedUint::from(exponent)).retrieve().to_be_bytes().to_vec();
        bytes[bytes.len() - base.len()..].to_vec()
    }

    /// Bytes that come again.
    fn bytes(state: &mut u64, length: usize) -> Vec<u8> {
        let mut next = || {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*state >> 56) as u8
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn powers_are_those_of_another_library() {
        let mut state = 1;
        for round in 0..400 {
            let length = [5, 8, 12, 31, 64, 128, 256, 257, 384, 512][round % 10];
            let mut modulus = bytes(&mut state, length);
            modulus[length - 1] |= 1;
            // Of every height: full, with few bits on top, and of ones alone.
            match round / 10 % 4 {
                0 => modulus[0] |= 0x80,
                1 => modulus[0] = 1,
                2 => modulus.fill(0xff),
                _ => modulus[0] = modulus[0].max(1),
            }
            let mut base = bytes(&mut state, length);
            if base >= modulus {
                base[0] = 0;
            }
            let exponent = [1, 2, 3, 17, 65_537, 0x1_0000_0001, 6, 4][round % 8];
            let found = Modulus::read(&modulus).and_then(|modulus| modulus.power(&base, exponent));
            assert_eq!(found, Some(power(&modulus, &base, exponent)), "{round}: {modulus:?} {base:?} {exponent}");
        }
    }

    #[test]
    fn edges_of_the_modulus_hold() {
        let modulus = [vec![0xff; 31], vec![0xfd]].concat();
        let less = [vec![0xff; 31], vec![0xfc]].concat();
        let read = Modulus::read(&modulus).expect("odd");
        assert_eq!(read.power(&modulus, 3), None);
        assert_eq!(read.power(&[vec![1], vec![0; 32]].concat(), 3), None);
        assert_eq!(read.power(&less, 2), Some([vec![0; 31], vec![1]].concat()), "-1 squared is 1");
        assert_eq!(read.power(&[0; 32], 3), Some(vec![0; 32]));
        assert_eq!(read.power(&less, 0), None);
        assert!(Modulus::read(&less).is_none() && Modulus::read(&[0; 9]).is_none() && Modulus::read(&[]).is_none());
    }
}
