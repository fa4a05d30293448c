//! ECDSA over the curves P-256 and P-384 (FIPS 186-5 section 6.4.2, SP 800-186), verifying alone. Whatever goes in is public, so
//! the time it takes may tell of it; it must never see a private key. Libraries that sign as well are ten times the size.
//!
//! Points are added by one formula without exceptions (Renes, Costello, Batina: "Complete addition formulas for prime order
//! elliptic curves", algorithm 4), which also doubles: there is no special case that an attacker could look for.

use super::power::{inverse, low};

/// A curve `y^2 = x^3 - 3x + b` of prime order.
#[derive(Debug)]
pub(super) struct Curve {
    /// The field's modulus, `b`, the order, and the base point's coordinates: words of 32 bits, the highest first.
    modulus: &'static [u32],
    b: &'static [u32],
    order: &'static [u32],
    base: [&'static [u32]; 2],
}

/// Limbs of 32 bits, the lowest first; those beyond a curve's own are 0.
type Number = [u32; LIMBS];

/// Numbers modulo an odd one, kept times R = 2^(32 * limbs) as Montgomery multiplies them.
struct Field {
    limbs: usize,
    modulus: Number,
    inverse: u32,
    /// R^2.
    square: Number,
}

/// x/z and y/z; the neutral point has z = 0.
#[derive(Clone, Copy)]
struct Point {
    x: Number,
    y: Number,
    z: Number,
}

const LIMBS: usize = 12;

pub(super) const P256: Curve = Curve {
    modulus: &[0xffff_ffff, 1, 0, 0, 0, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff],
    b: &[0x5ac6_35d8, 0xaa3a_93e7, 0xb3eb_bd55, 0x7698_86bc, 0x651d_06b0, 0xcc53_b0f6, 0x3bce_3c3e, 0x27d2_604b],
    order: &[0xffff_ffff, 0, 0xffff_ffff, 0xffff_ffff, 0xbce6_faad, 0xa717_9e84, 0xf3b9_cac2, 0xfc63_2551],
    base: [
        &[0x6b17_d1f2, 0xe12c_4247, 0xf8bc_e6e5, 0x63a4_40f2, 0x7703_7d81, 0x2deb_33a0, 0xf4a1_3945, 0xd898_c296],
        &[0x4fe3_42e2, 0xfe1a_7f9b, 0x8ee7_eb4a, 0x7c0f_9e16, 0x2bce_3357, 0x6b31_5ece, 0xcbb6_4068, 0x37bf_51f5],
    ],
};

pub(super) const P384: Curve = Curve {
    modulus: &[
        0xffff_ffff,
        0xffff_ffff,
        0xffff_ffff,
        0xffff_ffff,
        0xffff_ffff,
        0xffff_ffff,
        0xffff_ffff,
        0xffff_fffe,
        0xffff_ffff,
        0,
        0,
        0xffff_ffff,
    ],
    b: &[
        0xb331_2fa7,
        0xe23e_e7e4,
        0x988e_056b,
        0xe3f8_2d19,
        0x181d_9c6e,
        0xfe81_4112,
        0x0314_088f,
        0x5013_875a,
        0xc656_398d,
        0x8a2e_d19d,
        0x2a85_c8ed,
        0xd3ec_2aef,
    ],
    order: &[
        0xffff_ffff,
        0xffff_ffff,
        0xffff_ffff,
        0xffff_ffff,
        0xffff_ffff,
        0xffff_ffff,
        0xc763_4d81,
        0xf437_2ddf,
        0x581a_0db2,
        0x48b0_a77a,
        0xecec_196a,
        0xccc5_2973,
    ],
    base: [
        &[
            0xaa87_ca22,
            0xbe8b_0537,
            0x8eb1_c71e,
            0xf320_ad74,
            0x6e1d_3b62,
            0x8ba7_9b98,
            0x59f7_41e0,
            0x8254_2a38,
            0x5502_f25d,
            0xbf55_296c,
            0x3a54_5e38,
            0x7276_0ab7,
        ],
        &[
            0x3617_de4a,
            0x9626_2c6f,
            0x5d9e_98bf,
            0x9292_dc29,
            0xf8f4_1dbd,
            0x289a_147c,
            0xe9da_3113,
            0xb5f0_b8c0,
            0x0a60_b1ce,
            0x1d7e_819d,
            0x7a43_1d7c,
            0x90ea_0e5f,
        ],
    ],
};

// === impl Curve ===

impl Curve {
    /// Whether the point, written whole (SEC 1 section 2.3.3), has signed what hashes to `digest`, which is as long as the
    /// order. Points in short are left to nobody. The signature is `r` and `s`, each as long as the order.
    pub(super) fn verify(&self, point: &[u8], digest: &[u8], signature: &[u8]) -> Option<()> {
        let bytes = 4 * self.modulus.len();
        let (4, point) = point.split_first()? else { return None };
        if point.len() != 2 * bytes || signature.len() != 2 * bytes || digest.len() != bytes {
            return None;
        }
        let (field, scalars) = (Field::new(self.modulus), Field::new(self.order));
        let b = field.enter(&number(self.b));
        let (x, y) = point.split_at(bytes);
        let signer = Point::on_curve(&field, &b, &read(x), &read(y))?;
        let [x, y] = self.base.map(number);
        let base = Point::on_curve(&field, &b, &x, &y)?;
        let (r, s) = signature.split_at(bytes);
        let [r, s] = [read(r), read(s)];
        if !scalars.has(&r) || !scalars.has(&s) || is_zero(&r) || is_zero(&s) {
            return None;
        }
        let inverted = scalars.inverted(&scalars.enter(&s));
        // A factor outside of Montgomery's form takes the other one's R away.
        let [u, v] = [scalars.reduced(read(digest), false), r].map(|factor| scalars.product(&factor, &inverted));
        let found = field.combined(&b, [(&base, &u), (&signer, &v)]);
        (!is_zero(&found.z) && self.is_x(&field, &found, &r)).then_some(())
    }

    /// Whether the point's x, modulo the order, is `r`: compared times z, as division is dear.
    fn is_x(&self, field: &Field, point: &Point, r: &Number) -> bool {
        let (beyond, over) = sum(r, &number(self.order));
        let is = |x: &Number| field.has(x) && field.product(&field.enter(x), &point.z) == point.x;
        is(r) || (!over && is(&beyond))
    }
}

// === impl Point ===

impl Point {
    /// The point of these coordinates, if it is one of the curve.
    fn on_curve(field: &Field, b: &Number, x: &Number, y: &Number) -> Option<Point> {
        if !field.has(x) || !field.has(y) {
            return None;
        }
        let [x, y] = [x, y].map(|number| field.enter(number));
        let cube = field.product(&field.product(&x, &x), &x);
        let right = field.sum(&field.difference(&cube, &field.thrice(&x)), b);
        (field.product(&y, &y) == right).then(|| Point { x, y, z: field.one() })
    }
}

// === impl Field ===

impl Field {
    /// Of an odd modulus whose highest bit is set.
    fn new(modulus: &[u32]) -> Field {
        let limbs = modulus.len();
        let inverse = inverse(modulus.last().copied().unwrap_or(1));
        let mut field = Field { limbs, modulus: number(modulus), inverse, square: number(&[1]) };
        for _ in 0..64 * limbs {
            field.square = field.sum(&field.square, &field.square);
        }
        field
    }

    fn has(&self, number: &Number) -> bool {
        difference(number, &self.modulus).1
    }

    /// A number times R.
    fn enter(&self, number: &Number) -> Number {
        self.product(number, &self.square)
    }

    fn one(&self) -> Number {
        self.enter(&number(&[1]))
    }

    /// A number below twice the modulus, of which `over` says that it goes beyond its limbs, less the modulus if it is not
    /// below it.
    fn reduced(&self, number: Number, over: bool) -> Number {
        let (less, under) = difference(&number, &self.modulus);
        if under && !over { number } else { less }
    }

    fn sum(&self, a: &Number, b: &Number) -> Number {
        let (sum, over) = sum(a, b);
        self.reduced(sum, over)
    }

    fn difference(&self, a: &Number, b: &Number) -> Number {
        let (difference, under) = difference(a, b);
        if under { sum(&difference, &self.modulus).0 } else { difference }
    }

    fn thrice(&self, a: &Number) -> Number {
        self.sum(&self.sum(a, a), a)
    }

    /// `a * b / R`.
    fn product(&self, a: &Number, b: &Number) -> Number {
        let mut sum = [0; 2 * LIMBS + 1];
        let lowest_of_b = u64::from(b.first().copied().unwrap_or_default());
        for (at, limb) in a.iter().take(self.limbs).enumerate() {
            let (places, above) = sum.split_at_mut(at + self.limbs);
            let Some(places) = places.get_mut(at..) else { break };
            // What makes the lowest limb 0, which is then left behind: dividing by 2^32.
            let lowest = u64::from(places.first().copied().unwrap_or_default());
            let factor = low(lowest + u64::from(*limb) * lowest_of_b).wrapping_mul(self.inverse);
            let (mut first, mut second) = (0, 0);
            for (place, (b, modulus)) in places.iter_mut().zip(b.iter().zip(&self.modulus)) {
                // At most (2^32 - 1) + (2^32 - 1)^2 + (2^32 - 1) = 2^64 - 1, twice.
                let value = u64::from(*place) + u64::from(*limb) * u64::from(*b) + first;
                first = value >> 32;
                let value = u64::from(low(value)) + u64::from(factor) * u64::from(*modulus) + second;
                (*place, second) = (low(value), value >> 32);
            }
            let mut carry = first + second;
            for place in above.iter_mut().take(2) {
                carry += u64::from(*place);
                (*place, carry) = (low(carry), carry >> 32);
            }
        }
        let mut number = [0; LIMBS];
        let mut rest = sum.iter().skip(self.limbs);
        number.iter_mut().zip(&mut rest).for_each(|(place, limb)| *place = *limb);
        self.reduced(number, rest.next().is_some_and(|limb| *limb != 0))
    }

    /// `1 / a`, by Fermat: to the power of the modulus less 2, which is prime.
    fn inverted(&self, a: &Number) -> Number {
        let (exponent, _) = difference(&self.modulus, &number(&[2]));
        let mut power = self.one();
        for at in (0..32 * self.limbs).rev() {
            power = self.product(&power, &power);
            if bits(&exponent, at, 1) == 1 {
                power = self.product(&power, a);
            }
        }
        power
    }

    /// Both points, each as often as its factor says, added: two bits of each at a time (Shamir's trick).
    fn combined(&self, b: &Number, [(first, often), (second, often_too)]: [(&Point, &Number); 2]) -> Point {
        let mut sums = vec![Point { x: [0; LIMBS], y: self.one(), z: [0; LIMBS] }];
        // At 4i + j is i times the first and j times the second.
        for at in 1..16 {
            let (from, more) = if at % 4 == 0 { (at - 4, first) } else { (at - 1, second) };
            sums.extend(sums.get(from).map(|sum| self.added(b, sum, more)));
        }
        let mut all = sums.first().copied().unwrap_or(*first);
        for at in (0..16 * self.limbs).rev() {
            for _ in 0..2 {
                all = self.added(b, &all, &all);
            }
            let which = 4 * bits(often, 2 * at, 2) + bits(often_too, 2 * at, 2);
            if let Some(more) = sums.get(which).filter(|_| which > 0) {
                all = self.added(b, &all, more);
            }
        }
        all
    }

    /// The sum of any two points of the curve, also of one and itself.
    fn added(&self, b: &Number, one: &Point, other: &Point) -> Point {
        let product = |a: &Number, b: &Number| self.product(a, b);
        let cross = |a: (&Number, &Number), b: (&Number, &Number), both: &Number| {
            self.difference(&product(&self.sum(a.0, b.0), &self.sum(a.1, b.1)), both)
        };
        let (xx, yy, zz) = (product(&one.x, &other.x), product(&one.y, &other.y), product(&one.z, &other.z));
        let xy = cross((&one.x, &other.x), (&one.y, &other.y), &self.sum(&xx, &yy));
        let yz = cross((&one.y, &other.y), (&one.z, &other.z), &self.sum(&yy, &zz));
        let xz = cross((&one.x, &other.x), (&one.z, &other.z), &self.sum(&xx, &zz));

        let part = self.thrice(&self.difference(&xz, &product(b, &zz)));
        let (less, more) = (self.difference(&yy, &part), self.sum(&yy, &part));
        let zz = self.thrice(&zz);
        let part = self.thrice(&self.difference(&product(b, &xz), &self.sum(&zz, &xx)));
        let xx = self.difference(&self.thrice(&xx), &zz);
        Point {
            x: self.difference(&product(&more, &xy), &product(&yz, &part)),
            y: self.sum(&product(&more, &less), &product(&xx, &part)),
            z: self.sum(&product(&less, &yz), &product(&xy, &xx)),
        }
    }
}

/// Words, the highest first; at most [`LIMBS`].
fn number(words: &[u32]) -> Number {
    let mut number = [0; LIMBS];
    number.iter_mut().zip(words.iter().rev()).for_each(|(limb, word)| *limb = *word);
    number
}

/// Big-endian bytes, at most 4 * [`LIMBS`].
fn read(bytes: &[u8]) -> Number {
    let mut number = [0; LIMBS];
    for (limb, bytes) in number.iter_mut().zip(bytes.rchunks(4)) {
        *limb = bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte));
    }
    number
}

/// The sum, and whether it goes beyond all limbs.
fn sum(a: &Number, b: &Number) -> (Number, bool) {
    let (mut sum, mut carry) = (*a, 0);
    for (limb, more) in sum.iter_mut().zip(b) {
        let value = u64::from(*limb) + u64::from(*more) + carry;
        (*limb, carry) = (low(value), value >> 32);
    }
    (sum, carry != 0)
}

/// The difference, and whether it is below 0.
fn difference(a: &Number, b: &Number) -> (Number, bool) {
    let (mut difference, mut borrow) = (*a, false);
    for (limb, less) in difference.iter_mut().zip(b) {
        let (value, under) = limb.overflowing_sub(*less);
        let (value, below) = value.overflowing_sub(u32::from(borrow));
        (*limb, borrow) = (value, under || below);
    }
    (difference, borrow)
}

fn is_zero(number: &Number) -> bool {
    number.iter().all(|limb| *limb == 0)
}

/// So many bits from the one at that place on, of one limb.
fn bits(number: &Number, at: usize, many: u32) -> usize {
    let limb = number.get(at / 32).copied().unwrap_or_default();
    (limb >> (at % 32)) as usize & ((1 << many) - 1)
}
