/** What helps to test: a clock that the test owns, and the tests that every storage adapter must pass. */
export { ManualClock } from './manual-clock.js'
export { storageConformance, type ConformanceOptions } from './storage-conformance.js'
