//! Graphs made for one question each: forms of the tail that no file of the fixtures has.

mod blocks;
mod builder;
mod linear;
mod norms;
mod overrides;
mod pooled;
mod quantised;
mod trail;
