package hostapi

// Rows of Faasm's interface that nothing stands behind yet. They are here for their types and words: a module that imports one
// is refused with the reason.

const (
	noChaining = "chained calls are not there yet"
	noState    = "state is not there yet"
)

// later returns a row that is not supported.
func later(group, why, name, doc string, params []Param, results []ValType) Row {
	return Row{Module: env, Name: name, Group: group, Params: params, Results: results, Support: Unsupported, Limitation: why, Doc: doc}
}

// faasmChain returns Faasm's rows for calling other functions.
func faasmChain() []Row {
	chain := func(name, doc string, params []Param) Row {
		return later(groupCall, noChaining, name, doc, params, word)
	}
	return []Row{
		chain("__faasm_chain_name", "Call the tenant's function of that name with an input, and return a number to await it by.", words("name", "input", "input_len")),
		chain("__faasm_chain_ptr", "Call a function of the same module by its index in the table, likewise.", words("func", "input", "input_len")),
		chain("__faasm_await_call", "Wait for a call and return what it returned.", words("call")),
		chain("__faasm_await_call_output", "Do so, and write where its output is and its size: the guest's own malloc gives the memory.", words("call", "output", "output_len")),
	}
}

// faasmState returns Faasm's rows for state. A key is a C string.
func faasmState() []Row {
	state := func(name, doc string, results []ValType, params ...string) Row {
		return later(groupState, noState, name, doc, words(params...), results)
	}
	return []Row{
		state("__faasm_read_state", "Copy a value, pulled if it is not here, and return its size; with `len` 0 only that.", word, "key", "buf", "len"),
		state("__faasm_read_state_ptr", "Map a value into the memory and return where.", word, "key", "total_len"),
		state("__faasm_read_state_offset", "Copy a part of a value.", nil, "key", "total_len", "offset", "buf", "len"),
		state("__faasm_read_state_offset_ptr", "Map a value and return where a part of it is.", word, "key", "total_len", "offset", "len"),
		state("__faasm_write_state", "Write a value.", nil, "key", "data", "len"),
		state("__faasm_write_state_offset", "Write a part of a value.", nil, "key", "total_len", "offset", "data", "len"),
		state("__faasm_write_state_from_file", "Write what a file has, and return its size.", word, "key", "path"),
		state("__faasm_append_state", "Append an element to a list.", nil, "key", "data", "len"),
		state("__faasm_read_appended_state", "Read the first elements of a list.", nil, "key", "buf", "len", "elements"),
		state("__faasm_clear_appended_state", "Drop a list.", nil, "key"),
		state("__faasm_flag_state_dirty", "Say that a value was written to through its pointer.", nil, "key", "total_len"),
		state("__faasm_flag_state_offset_dirty", "Say so of a part.", nil, "key", "total_len", "offset", "len"),
		state("__faasm_push_state", "Push a value to the global tier.", nil, "key"),
		state("__faasm_push_state_partial", "Push what was written of it.", nil, "key"),
		state("__faasm_push_state_partial_mask", "Push what another value is not zero in.", nil, "key", "mask_key"),
		state("__faasm_pull_state", "Pull a value from the global tier.", nil, "key", "len"),
		state("__faasm_lock_state_read", "Lock the replica on this worker, shared.", nil, "key"),
		state("__faasm_unlock_state_read", "Unlock it.", nil, "key"),
		state("__faasm_lock_state_write", "Lock it for this call alone.", nil, "key"),
		state("__faasm_unlock_state_write", "Unlock it.", nil, "key"),
		state("__faasm_lock_state_global", "Lock the value on all workers.", nil, "key"),
		state("__faasm_unlock_state_global", "Unlock it.", nil, "key"),
	}
}
