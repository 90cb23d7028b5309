// Package instrumenttest compares what libs/wasmbin says and makes of modules with the engine's own judgement: the two
// must accept the same instructions, and an instrumented module must behave as the original. The tests are here because
// only packages below libs/faaslet have the engine.
package instrumenttest
