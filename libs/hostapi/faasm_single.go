package hostapi

// alone is why a function for threads has nothing to do.
const alone = "a Faaslet has one thread"

// faasmSingle returns the rows of what has no effect in a Faaslet, which has one thread and stays on its worker.
func faasmSingle() []Row {
	idle := func(name string, params []Param, results []ValType, why string) Row {
		doc := "Do nothing."
		if results != nil {
			doc = "Return 0."
		}
		return Row{Module: env, Name: name, Group: groupSingle, Params: params, Results: results, Support: Ignored, Limitation: why, Doc: doc, Func: answers(0)}
	}
	rows := []Row{
		idle("__faasm_migrate_point", words("func", "arg"), nil, "a call stays on its worker"),
		idle("__faasm_sm_reduce", words("var", "type", "op", "batch"), nil, alone),
		idle("__faasm_sm_critical_local", nil, nil, alone),
		idle("__faasm_sm_critical_local_end", nil, nil, alone),
		idle("pthread_self", nil, word, alone),
	}
	for _, f := range []struct {
		names  []string
		params []Param
	}{
		{[]string{"pthread_mutex_lock", "pthread_mutex_trylock", "pthread_mutex_unlock", "pthread_mutex_destroy"}, words("mutex")},
		{[]string{"pthread_mutex_init"}, words("mutex", "attr")},
		{[]string{"pthread_mutexattr_init", "pthread_mutexattr_destroy"}, words("attr")},
		{[]string{"pthread_cond_init"}, words("cond", "attr")},
		{[]string{"pthread_cond_signal", "pthread_cond_broadcast", "pthread_cond_destroy"}, words("cond")},
	} {
		for _, name := range f.names {
			rows = append(rows, idle(name, f.params, word, alone))
		}
	}
	return rows
}
