//! The rate limit by verified subject. Nobody is verified yet, so there is nobody to count: [`super::identity`] has
//! refused whoever would have to be.

use crate::exchange::Exchange;
use crate::step::Flow;

pub(crate) fn check(_: &Exchange) -> Flow {
    Flow::Pass
}
