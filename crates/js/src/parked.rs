/// Things that wait under a number for their turn. Bounded: beyond its room nothing is taken.
#[derive(Debug)]
pub(crate) struct Parked<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
    room: usize,
}

// === impl Parked ===

impl<T> Parked<T> {
    pub(crate) const fn new(room: usize) -> Parked<T> {
        Parked { slots: Vec::new(), free: Vec::new(), room }
    }

    /// Whether one more finds room.
    pub(crate) fn has_room(&self) -> bool {
        !self.free.is_empty() || self.slots.len() < self.room
    }

    /// Parks it; where there is no room it comes back.
    pub(crate) fn park(&mut self, thing: T) -> Result<u32, T> {
        let free = self.free.pop().and_then(|number| Some((number, self.slots.get_mut(number as usize)?)));
        if let Some((number, slot)) = free {
            *slot = Some(thing);
            return Ok(number);
        }
        match u32::try_from(self.slots.len()) {
            Ok(number) if self.slots.len() < self.room => {
                self.slots.push(Some(thing));
                Ok(number)
            }
            _ => Err(thing),
        }
    }

    /// Takes what waits under that number; the number is then given again.
    pub(crate) fn take(&mut self, number: u32) -> Option<T> {
        let thing = self.slots.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(thing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_room_ends() {
        let mut parked = Parked::new(2);
        assert_eq!((parked.park('a'), parked.park('b'), parked.park('c')), (Ok(0), Ok(1), Err('c')));
        assert!(!parked.has_room());
        assert_eq!((parked.take(0), parked.take(0), parked.take(7)), (Some('a'), None, None));
        assert!(parked.has_room());
        assert_eq!((parked.park('d'), parked.take(0)), (Ok(0), Some('d')));
    }
}
