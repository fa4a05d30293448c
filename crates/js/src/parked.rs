use palisade_guard::MonoMicros;

/// Things that wait under a number for their turn. Bounded: beyond its room nothing is taken, but for what has waited
/// longer than anybody waits. A number is of a place and of how often that was given: whoever comes late with it finds
/// nothing, and never what waits there now.
#[derive(Debug)]
pub(crate) struct Parked<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
    room: u32,
    /// When places were last looked through for those that nobody came back for.
    looked: MonoMicros,
}

#[derive(Debug)]
struct Place<T> {
    thing: Option<T>,
    since: MonoMicros,
    turn: u32,
}

/// Bits of a number that say which place; the others are its turn, which begins anew after 2^18.
const PLACE_BITS: u32 = 14;
/// The most places that a number can tell apart.
pub(crate) const MAX_ROOM: u32 = 1 << PLACE_BITS;
/// Platforms end a handler sooner; one that hangs gives its place back.
const PATIENCE_MICROS: u64 = 15 * 60 * 1_000_000;
/// While there is no room, places are looked through this often.
const LOOK_EVERY_MICROS: u64 = 1_000_000;

// === impl Parked ===

impl<T> Parked<T> {
    /// Room for so many, at most [`MAX_ROOM`].
    pub(crate) const fn new(room: u32) -> Parked<T> {
        let room = if room < MAX_ROOM { room } else { MAX_ROOM };
        Parked { places: Vec::new(), free: Vec::new(), room, looked: MonoMicros(0) }
    }

    /// Whether one more finds room.
    pub(crate) fn has_room(&mut self, now: MonoMicros) -> bool {
        if !self.free.is_empty() || self.places.len() < self.room as usize {
            return true;
        }
        if now.0.saturating_sub(self.looked.0) >= LOOK_EVERY_MICROS {
            self.looked = now;
            self.clear(now);
        }
        !self.free.is_empty()
    }

    /// Parks it; where there is no room it comes back.
    pub(crate) fn park(&mut self, thing: T, now: MonoMicros) -> Result<u32, T> {
        if !self.has_room(now) {
            return Err(thing);
        }
        let number = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { thing: None, since: now, turn: 0 });
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        });
        let Some(place) = self.places.get_mut(number as usize) else { return Err(thing) };
        (place.thing, place.since) = (Some(thing), now);
        Ok(number | place.turn << PLACE_BITS)
    }

    /// Takes what waits under that number. Its place is then given again, under another number.
    pub(crate) fn take(&mut self, number: u32) -> Option<T> {
        let (at, turn) = (number & (MAX_ROOM - 1), number >> PLACE_BITS);
        let place = self.places.get_mut(at as usize).filter(|place| place.turn == turn)?;
        let thing = place.thing.take()?;
        place.turn = (turn + 1) & (u32::MAX >> PLACE_BITS);
        self.free.push(at);
        Some(thing)
    }

    fn clear(&mut self, now: MonoMicros) {
        for (at, place) in (0..).zip(&mut self.places) {
            if place.thing.is_some() && now.0.saturating_sub(place.since.0) >= PATIENCE_MICROS {
                place.thing = None;
                place.turn = (place.turn + 1) & (u32::MAX >> PLACE_BITS);
                self.free.push(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: MonoMicros = MonoMicros(3_600_000_000);

    #[test]
    fn room_ends_and_comes_back() {
        let mut parked = Parked::new(2);
        assert_eq!((parked.park('a', NOW), parked.park('b', NOW), parked.park('c', NOW)), (Ok(0), Ok(1), Err('c')));
        assert!(!parked.has_room(NOW));
        assert_eq!((parked.take(0), parked.take(0), parked.take(7)), (Some('a'), None, None));
        assert!(parked.has_room(NOW));
    }

    #[test]
    fn a_number_of_before_finds_nothing_of_now() {
        let mut parked = Parked::new(1);
        let mut before = parked.park(0, NOW).expect("room");
        // Once round all turns.
        for thing in 1..=(1 << 18) {
            assert!(parked.take(before).is_some());
            let next = parked.park(thing, NOW).expect("room");
            assert!(next != before && parked.take(before).is_none());
            before = next;
        }
    }

    #[test]
    fn what_hangs_gives_its_place_back_and_what_is_young_does_not() {
        let mut parked = Parked::new(2);
        let hangs = parked.park('h', NOW).expect("room");
        let later = MonoMicros(NOW.0 + PATIENCE_MICROS - 1);
        let young = parked.park('y', later).expect("room");
        assert_eq!(parked.park('x', later), Err('x'));
        let late = MonoMicros(later.0 + LOOK_EVERY_MICROS);
        let next = parked.park('n', late).expect("the place of what hangs");
        assert_eq!((parked.take(hangs), parked.take(young), parked.take(next)), (None, Some('y'), Some('n')));
    }
}
