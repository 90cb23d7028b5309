package hostapi

import "strings"

// missing are imports that programs written for Faasm or with older toolchains may have, and that nothing here stands for:
// by why.
var missing = []struct{ why, names string }{
	{"functions are called with the types they were compiled with: there is no libffi", "ffi_call ffi_prep_closure_loc"},
	{"there are no sockets yet", `
		socket bind listen accept connect send sendto recv recvfrom shutdown setsockopt getsockopt getsockname getpeername
		gethostbyname gethostbyaddr getprotobyname getservbyname getservbyport sendfile poll`},
	{"it is of Faasm before its version 0.3: use __faasm_chain_name and __faasm_chain_ptr", `
		__faasm_chain_function __faasm_chain_this __faasm_get_idx`},
	{"Faasm's Python layer is not here", "__faasm_chain_py __faasm_get_py_user __faasm_get_py_func __faasm_get_py_entry"},
	{"it tests Faasm itself", `
		__faasm_host_interface_test setEmulatedMessageFromJson emulatorGetAsyncResponse emulatorSetCallStatus`},
	{"it was never implemented, in Faasm neither", "__faasm_sm_array __faasm_sm_raw __faasm_sm_var"},
	{"there are no enclaves", "__tless_get_attestation_jwt __tless_get_mrenclave __tless_is_enabled"},
	{"S3 is not reachable: use shared files", `
		__faasm_s3_get_num_buckets __faasm_s3_list_buckets __faasm_s3_get_num_keys __faasm_s3_get_num_keys_with_prefix
		__faasm_s3_list_keys __faasm_s3_list_keys_with_prefix __faasm_s3_add_key_bytes __faasm_s3_get_key_bytes`},
	{"MPI is not supported: functions work together by calling each other", `
		MPI_Init MPI_Finalize MPI_Abort MPI_Get_version MPI_Comm_size MPI_Comm_rank MPI_Comm_dup MPI_Comm_free MPI_Comm_split
		MPI_Comm_c2f MPI_Comm_f2c MPI_Send MPI_Rsend MPI_Isend MPI_Get_count MPI_Recv MPI_Sendrecv MPI_Irecv MPI_Wait
		MPI_Waitall MPI_Waitany MPI_Probe MPI_Bcast MPI_Barrier MPI_Scatter MPI_Gather MPI_Allgather MPI_Allgatherv
		MPI_Reduce MPI_Reduce_scatter MPI_Allreduce MPI_Scan MPI_Alltoall MPI_Alltoallv MPI_Get_processor_name
		MPI_Type_size MPI_Type_contiguous MPI_Type_free MPI_Type_commit MPI_Alloc_mem MPI_Free_mem MPI_Cart_create
		MPI_Cart_rank MPI_Cart_get MPI_Cart_shift MPI_Op_create MPI_Op_free MPI_Win_create MPI_Win_fence MPI_Win_free
		MPI_Win_get_attr MPI_Get MPI_Put MPI_Request_free MPI_Wtime`},
	{"a Faaslet has one thread: build without OpenMP", `
		omp_get_thread_num omp_get_num_threads omp_get_max_threads omp_get_level omp_get_max_active_levels
		omp_set_max_active_levels omp_set_num_threads omp_get_wtime omp_get_num_devices omp_set_default_device
		__kmpc_push_num_threads __kmpc_global_thread_num __kmpc_barrier __kmpc_critical __kmpc_end_critical __kmpc_flush
		__kmpc_master __kmpc_end_master __kmpc_single __kmpc_end_single __kmpc_fork_call __kmpc_for_static_init_4
		__kmpc_for_static_init_8 __kmpc_for_static_fini __kmpc_reduce __kmpc_reduce_nowait __kmpc_end_reduce
		__kmpc_end_reduce_nowait __atomic_load __atomic_compare_exchange`},
	{"a Faaslet has one thread: build without -pthread", `
		pthread_create pthread_join pthread_exit pthread_detach pthread_once pthread_equal pthread_cond_wait
		pthread_cond_timedwait pthread_attr_init pthread_attr_setstacksize pthread_attr_destroy pthread_key_create
		pthread_key_delete pthread_getspecific pthread_setspecific`},
	{"there are no processes and signals", `
		fork execve execv kill wait pipe popen pclose raise system openpty forkpty getpriority setpriority setgroups
		getrusage setrlimit getresuid getresgid ttyname shm_open memfd_create`},
	{"C++ exceptions are not supported: build with -fno-exceptions", `
		__cxa_allocate_exception __cxa_throw __cxa_begin_catch _Unwind_RaiseException _Unwind_DeleteException`},
	{"a guest can't leave its stack", "setjmp longjmp"},
	{"Linux system calls are not there: use libc's functions", `
		syscall __syscall __syscall0 __syscall1 __syscall2 __syscall3 __syscall4 __syscall5 __syscall6 __syscall7 __syscall_cp`},
	{"libintl is a library of the guest: link it in", "gettext dgettext dcgettext textdomain bindtextdomain"},
	{"it is libc's: link libc in, or declare it as libc does", `
		putc vfprintf fiprintf __small_sprintf tmpfile tempnam msync fchdir chdir chmod lockf strncat realpath dirfd utime
		__h_errno_location __errno_location atoi htons htonl ntohs ntohl inet_addr inet_ntoa inet_aton inet_pton inet_ntop`},
}

// whyMissing are the same, by name.
var whyMissing = func() map[string]string {
	m := make(map[string]string)
	for _, e := range missing {
		for name := range strings.FieldsSeq(e.names) {
			m[name] = e.why
		}
	}
	return m
}()

// Why says of an import that a guest can't have why it can't, "" when there is no more to say than that.
func (t Table) Why(module, name string) string {
	if r := t.row(module, name); r != nil && r.Support == Unsupported {
		return r.Limitation
	}
	if module != env {
		return ""
	}
	return whyMissing[name]
}
