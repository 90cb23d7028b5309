use std::fmt;

/// What goes wrong between a function and its worker.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// A name or a key has a NUL in it. Nothing was asked of the worker.
    Name(String),
    /// The worker can't: the number is an errno of WASI. Nothing happened.
    Host(i32),
    /// A chained call ended with this exit code.
    Failed(i32),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Name(name) => write!(f, "{:?} has a NUL in it", name),
            Error::Host(errno) => write!(f, "the worker answers errno {}", errno),
            Error::Failed(code) => write!(f, "the chained call ended with exit code {}", code),
        }
    }
}

impl std::error::Error for Error {}
