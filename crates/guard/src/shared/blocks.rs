//! Networks that all gates shut out (`docs/state.md`).

use std::time::Duration;

use super::scripts::{BLOCK, BLOCKS};
use super::{Call, Space};
use crate::blocks::{MAX_BLOCKS, Net};

impl Space {
    /// Shuts a network out for a time, at every gate; no time lets it in again. The answer is that of [`was_done`].
    #[must_use]
    pub fn block(self, net: Net, time: Duration) -> Call {
        let (bits, wide) = net.parts();
        let name = format!("{}{bits:032x}", if wide { 'w' } else { 'c' });
        let arguments = vec![name, time.as_millis().to_string(), MAX_BLOCKS.to_string()];
        Call { script: &BLOCK, keys: self.block_keys(), arguments }
    }

    /// Asks who is shut out. The answer is for [`read_blocks`].
    #[must_use]
    pub fn blocks(self) -> Call {
        Call { script: &BLOCKS, keys: self.block_keys(), arguments: Vec::new() }
    }

    fn block_keys(self) -> Vec<String> {
        vec![self.own_key("blocks"), self.own_key("blocks:version")]
    }
}

/// Whether there was room for a block, or one to be lifted.
#[must_use]
pub fn was_done(answer: &[i64]) -> Option<bool> {
    let [done] = *answer else { return None };
    Some(done == 1)
}

/// Who is shut out, and for how long from the time the answer came. What no gate could have written is left out.
#[must_use]
pub fn read_blocks(answer: &[i64]) -> Option<Vec<(Net, Duration)>> {
    let (blocks, []) = answer.as_chunks::<6>() else { return None };
    Some(blocks.iter().take(MAX_BLOCKS).filter_map(read_block).collect())
}

fn read_block([wide, a, b, c, d, millis]: &[i64; 6]) -> Option<(Net, Duration)> {
    let mut bits = 0;
    for part in [a, b, c, d] {
        bits = bits << 32 | u128::from(u32::try_from(*part).ok()?);
    }
    Some((Net::of_parts(bits, *wide == 1)?, Duration::from_millis(u64::try_from(*millis).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_gate_could_have_written_shuts_nobody_out() {
        let v4 = [0, 0, 0, 0xffff, 0xc000_0201, 5];
        let client: Net = "192.0.2.1".parse().expect("net");
        assert_eq!(read_blocks(&v4), Some(vec![(client, Duration::from_millis(5))]));
        let wide = [1, 0x2001_0db8, 7 << 16, 0, 0, 9];
        let network: Net = "2001:db8:7::/48".parse().expect("net");
        assert_eq!(read_blocks(&wide), Some(vec![(network, Duration::from_millis(9))]));
        for odd in [[1, 0, 0, 0xffff, 0xc000_0201, 5], [0, -1, 0, 0, 0, 5], [0, 1, 0, 0, 1, 5], [1, 1, 1, 0, 0, 5]] {
            assert_eq!(read_blocks(&odd), Some(vec![]), "{odd:?}");
        }
        assert_eq!(read_blocks(&v4[1..]), None);
        assert_eq!(read_blocks(&v4.repeat(2 * MAX_BLOCKS)).map(|list| list.len()), Some(MAX_BLOCKS));
    }
}
