/* What Faasm's Python needs of the headers: its fields, flags, libraries and children. */
#include <dlfcn.h>
#include <faasm/faasm.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    int status;
    void *library = dlopen("lib.so", RTLD_NOW);
    if (library == NULL || dlsym(library, "f") == NULL || dlclose(library) != 0) {
        return dlerror() == NULL;
    }
    if (waitpid((pid_t)__faasm_chain_py("entry", NULL, 0), &status, WNOHANG) < 0 || !WIFEXITED(status)) {
        return WEXITSTATUS(status);
    }
    return faasmGetPythonUser() == NULL || faasmGetPythonFunc() == NULL || faasmGetPythonEntry() == NULL ||
           getConfFlag("PYTHON_PRELOAD") || dup(1) < 0;
}
