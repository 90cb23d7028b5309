//! State: bytes under a key, which calls and workers of a tenant share.
//!
//! Reads and writes are of this worker's copy; [`Key::push`] shows it to others and [`Key::pull`] gets what they pushed.
//! Between a lock with a pull and a push with the lock's end, a value is consistent; without, it is whatever came last.
//!
//! ```no_run
//! # fn f() -> Result<(), shoal::Error> {
//! let visits = shoal::state::Key::new("visits")?;
//! let lock = visits.lock();
//! visits.write(b"1");
//! visits.push();
//! drop(lock);
//! # Ok(())
//! # }
//! ```

use crate::{error::Error, host};
use std::ffi::{CStr, CString};

/// A key.
#[derive(Debug, Clone)]
pub struct Key(CString);

impl Key {
    /// Names a key; there need not be a value.
    pub fn new(key: &str) -> Result<Key, Error> {
        CString::new(key).map(Key).map_err(|_| Error::Name(key.to_string()))
    }

    /// The size of the value in bytes; 0 when there is none.
    pub fn size(&self) -> Result<usize, Error> {
        match host::read_state(&self.0, &mut []) {
            size if size < 0 => Err(Error::Host(-size)),
            size => Ok(size as usize),
        }
    }

    /// The value, pulled when this worker has it not; empty when there is none.
    pub fn read(&self) -> Result<Vec<u8>, Error> {
        let mut value = vec![0; self.size()?];
        if !value.is_empty() {
            let size = host::read_state(&self.0, &mut value);
            if size < 0 {
                return Err(Error::Host(-size));
            }
            value.truncate(size as usize);
        }
        Ok(value)
    }

    /// Fills a buffer from an offset on, of a value of `total` bytes; only what is missing of it is pulled.
    pub fn read_at(&self, total: usize, offset: usize, buffer: &mut [u8]) {
        host::read_state_offset(&self.0, total, offset, buffer)
    }

    /// Makes bytes the value, on this worker.
    pub fn write(&self, value: &[u8]) {
        host::write_state(&self.0, value)
    }

    /// Writes a part of a value of `total` bytes, on this worker.
    pub fn write_at(&self, total: usize, offset: usize, part: &[u8]) {
        host::write_state_offset(&self.0, total, offset, part)
    }

    /// Puts what was written into the global tier.
    pub fn push(&self) {
        host::push_state(&self.0)
    }

    /// Gets the first `size` bytes of the value from the global tier, whether this worker has them or not.
    pub fn pull(&self, size: usize) {
        host::pull_state(&self.0, size)
    }

    /// Appends an element to the key's list, for all workers at once.
    pub fn append(&self, element: &[u8]) {
        host::append_state(&self.0, element)
    }

    /// The first `count` elements of the key's list, one behind the other, `size` bytes in all. The list stays.
    pub fn read_appended(&self, count: usize, size: usize) -> Vec<u8> {
        let mut elements = vec![0; size];
        host::read_appended_state(&self.0, &mut elements, count);
        elements
    }

    /// Empties the key's list.
    pub fn clear_appended(&self) {
        host::clear_appended_state(&self.0)
    }

    /// Waits until nobody on this worker has the value locked; others wait then, until the lock is dropped.
    pub fn lock(&self) -> Lock<'_> {
        host::lock_state_write(&self.0);
        Lock(self, host::unlock_state_write)
    }

    /// The same, beside other readers.
    pub fn lock_shared(&self) -> Lock<'_> {
        host::lock_state_read(&self.0);
        Lock(self, host::unlock_state_read)
    }

    /// The same as [`Key::lock`], on all workers.
    pub fn lock_global(&self) -> Lock<'_> {
        host::lock_state_global(&self.0);
        Lock(self, host::unlock_state_global)
    }
}

/// A lock of a value, which ends when it is dropped.
#[must_use = "the lock ends at once when it is dropped"]
pub struct Lock<'a>(&'a Key, fn(&CStr)); // how it ends: of the ways, a module imports those it uses

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        (self.1)(&self.0 .0)
    }
}
