//! Calls of other functions of the same tenant.
//!
//! ```no_run
//! # fn f() -> Result<(), shoal::Error> {
//! let calls = [shoal::chain::call("resize", b"small")?, shoal::chain::call("resize", b"large")?];
//! for call in calls {
//!     let picture = call.output()?;
//! #   drop(picture);
//! }
//! # Ok(())
//! # }
//! ```

use crate::{error::Error, host};
use std::ffi::CString;

/// A call that was made and not awaited yet. One that is dropped runs all the same.
#[derive(Debug)]
#[must_use = "a call that nobody awaits may outlive its parent, and its failure is not seen"]
pub struct Call(u32);

/// Calls a function by its name with an input, and returns at once.
pub fn call(function: &str, input: &[u8]) -> Result<Call, Error> {
    let name = CString::new(function).map_err(|_| Error::Name(function.to_string()))?;
    match host::chain_name(&name, input) {
        id if id < 0 => Err(Error::Host(-id)),
        id => Ok(Call(id as u32)),
    }
}

impl Call {
    /// Waits for the call to end.
    pub fn wait(self) -> Result<(), Error> {
        outcome(host::await_call(self.0))
    }

    /// Waits for the call to end, and returns its output.
    pub fn output(self) -> Result<Vec<u8>, Error> {
        let (code, output) = host::await_output(self.0);
        outcome(code).map(|_| output)
    }
}

fn outcome(code: i32) -> Result<(), Error> {
    match code {
        0 => Ok(()),
        code => Err(Error::Failed(code)),
    }
}
