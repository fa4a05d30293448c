//! Attempts to sign in that gates count together (`docs/logins.md`): charged as they are admitted, given back on success.

use palisade_policy::{Limit, SIGN_IN};

use super::scripts::{ATTEMPT, GIVE_BACK};
use super::{Call, Space, interval};

/// An attempt to sign in, to be charged: one question for all its counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Which of the login routes.
    pub scope: u32,
    /// A keyed hash of the account and of who tries; where no account is named, of who tries.
    pub client: u128,
    /// A keyed hash of the account, where one is named.
    pub account: Option<u128>,
}

/// The answer to [`Attempt`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempted {
    /// The count that locks out.
    pub client: Standing,
    /// The count that slows down, of an attempt that is not locked out and names an account.
    pub account: Option<Standing>,
}

/// How one count stands after the charge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether it had room, and was charged.
    pub charged: bool,
    /// What is owed, in sixteenths of a millisecond. Windows of a count are a day at most, so it fits.
    pub debt: u32,
}

/// What an attempt was charged and need not have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GiveBack {
    /// The attempt.
    pub attempt: Attempt,
    /// Whether its account was charged, too.
    pub account: bool,
    /// Whether the application judged it. What it did not is given back only as often as an attempt may fail.
    pub judged: bool,
}

// === impl Attempt ===

impl Attempt {
    /// The question for the server.
    #[must_use]
    pub fn call(&self, space: Space) -> Call {
        let (client, account) = self.keys(space);
        let account = self.account.map(|_| account);
        let counts = [SIGN_IN.lock, SIGN_IN.slow].into_iter().take(1 + usize::from(account.is_some()));
        Call {
            script: &ATTEMPT,
            keys: std::iter::once(client).chain(account).collect(),
            arguments: counts.flat_map(numbers).collect(),
        }
    }

    /// Reads the answer.
    #[must_use]
    pub fn read(&self, answer: &[i64]) -> Option<Attempted> {
        let (client, account) = match *answer {
            [charged, debt] => (Standing::read(charged, debt)?, None),
            [charged, debt, slow, owed] => (Standing::read(charged, debt)?, Some(Standing::read(slow, owed)?)),
            _ => return None,
        };
        // Who is not locked out is always told of the account.
        (account.is_some() == (client.charged && self.account.is_some())).then_some(Attempted { client, account })
    }

    /// The keys of the client's count and the account's, which a cluster keeps on one node.
    fn keys(&self, space: Space) -> (String, String) {
        let Attempt { scope, client, account } = *self;
        let tag = space.key('f', format_args!("{scope:08x}:{:x}", account.unwrap_or(client)));
        (format!("{tag}:{client:x}"), tag)
    }
}

impl Standing {
    fn read(charged: i64, debt: i64) -> Option<Standing> {
        Some(Standing { charged: charged == 1, debt: u32::try_from(debt).ok()? })
    }
}

// === impl GiveBack ===

impl GiveBack {
    /// Tells the server. The answer says nothing.
    #[must_use]
    pub fn call(&self, space: Space) -> Call {
        let (client, account) = self.attempt.keys(space);
        let unjudged = format!("{client}:u");
        let mut keys = vec![client];
        keys.extend(self.account.then_some(account));
        let mut arguments = vec![keys.len().to_string()];
        arguments.extend([SIGN_IN.lock, SIGN_IN.slow].into_iter().flat_map(numbers));
        keys.extend((!self.judged).then_some(unjudged));
        Call { script: &GIVE_BACK, keys, arguments }
    }
}

/// Interval and burst, in sixteenths of a millisecond.
fn numbers(limit: Limit) -> [String; 2] {
    let interval = interval(limit);
    [interval, interval * u64::from(limit.count)].map(|number| number.to_string())
}

#[cfg(test)]
mod tests {
    use palisade_policy::{Origin, Policy};

    use super::*;

    #[test]
    fn an_attempts_keys_share_a_hash_tag_and_tell_nobody_apart_from_others() {
        let origin = Origin::parse("https://shop.example").expect("origin");
        let space = Space::of(&Policy::builder("shop", vec![origin]).build().expect("policy"));
        let attempt = Attempt { scope: 7, client: 0xc, account: Some(0xa) };
        let give_back = GiveBack { attempt, account: true, judged: false };
        let all = [attempt.call(space).keys, give_back.call(space).keys].concat();
        let tags: Vec<_> = all.iter().filter_map(|key| key.split_once('{')?.1.split_once('}')).collect();
        assert_eq!(tags.iter().map(|(_, rest)| *rest).collect::<Vec<_>>(), [":c", "", ":c", "", ":c:u"]);
        assert!(tags.iter().all(|(tag, _)| *tag == tags[0].0 && tag.ends_with(":f:00000007:a")), "{all:?}");
        let nobody = Attempt { account: None, ..attempt };
        assert_eq!(nobody.call(space).keys.len(), 1);
        assert_ne!(nobody.call(space).keys[0], all[0]);
    }

    #[test]
    fn an_answer_is_one_of_the_two_there_are() {
        let attempt = Attempt { scope: 7, client: 0xc, account: Some(0xa) };
        let counted = attempt.read(&[1, 5, 0, 9]).expect("an answer");
        assert_eq!(counted.client, Standing { charged: true, debt: 5 });
        assert_eq!(counted.account, Some(Standing { charged: false, debt: 9 }));
        assert_eq!(attempt.read(&[0, 5]).map(|told| (told.client.charged, told.account)), Some((false, None)));
        for odd in [&[][..], &[1], &[1, 5], &[0, 5, 1, 1], &[1, -1, 1, 1], &[1, 1, 1, i64::MAX]] {
            assert_eq!(attempt.read(odd), None, "{odd:?}");
        }
        assert!(Attempt { account: None, ..attempt }.read(&[1, 5]).is_some());
    }
}
