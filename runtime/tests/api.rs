//! The public API against the software adapter: what it computes, what it refuses, and what survives being dropped.

mod api {
    mod common;
    mod copies;
    mod events;
    mod executors;
    mod graphs;
    mod launches;
    mod lifetimes;
    mod refusals;
    mod streams;
}
