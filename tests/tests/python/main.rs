//! Programs in another language, written from the documents alone: they agree with the engine.

mod evidence;
mod words;
