//! The store in memory: for tests, for dry runs on a copy, and as the plainest statement of what a
//! store does.
