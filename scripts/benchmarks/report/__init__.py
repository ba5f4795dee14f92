"""docs/performance.md and its pictures, from the raw rounds."""
