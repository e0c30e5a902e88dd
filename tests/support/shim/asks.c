/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What dlsym finds depends on who asks. `asks`: prints what each asks for and gets, as numbers that tell the answers apart.
 * Compiled with -DLIBRARY it is libasks.so, which answers 7 itself and asks for the next; with -DALLOCATOR it is a malloc
 * that takes the real one by dlsym at its first call, before any constructor.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef int (*answer_fn)(void);

#if defined(LIBRARY)
answer_fn ask_next(void);
answer_fn ask_default(void);

pid_t getppid(void)
{
	return 7;
}

answer_fn ask_next(void)
{
	return (answer_fn)dlsym(RTLD_NEXT, "getppid");
}

answer_fn ask_default(void)
{
	return (answer_fn)dlsym(RTLD_DEFAULT, "getppid");
}
#elif defined(ALLOCATOR)
static void *(*real)(size_t);
static unsigned calls;

__attribute__((visibility("default"))) unsigned allocator_calls(void);

unsigned allocator_calls(void)
{
	return calls;
}

void *malloc(size_t size)
{
	static __thread char early[4096];
	static __thread size_t used;
	static __thread int inside;

	calls++;
	if (real == NULL && !inside) {
		inside = 1;
		real = (void *(*)(size_t))dlsym(RTLD_NEXT, "malloc");
		inside = 0;
	}
	if (real != NULL)
		return real(size);
	used += (size + 15) & ~(size_t)15;
	return used <= sizeof(early) ? early + used - ((size + 15) & ~(size_t)15) : NULL;
}
#else
answer_fn ask_next(void);
answer_fn ask_default(void);

static void say(const char *what, answer_fn answer)
{
	printf("%s %s\n", what, answer == NULL ? dlerror() : answer() == 7 ? "the library" : "the C library");
}

int main(void)
{
	void *self = dlopen(NULL, RTLD_NOW), *libc = dlopen("libc.so.6", RTLD_NOW);
	unsigned (*calls)(void) = (unsigned (*)(void))dlsym(RTLD_DEFAULT, "allocator_calls");

	say("program, default:", (answer_fn)dlsym(RTLD_DEFAULT, "getppid"));
	say("program, next:", (answer_fn)dlsym(RTLD_NEXT, "getppid"));
	say("program, itself:", (answer_fn)dlsym(self, "getppid"));
	say("program, the C library:", (answer_fn)dlsym(libc, "getppid"));
	say("program, next, old version:", (answer_fn)dlvsym(RTLD_NEXT, "getppid", "GLIBC_0"));
	say("library, default:", ask_default());
	say("library, next:", ask_next());
	say("missing:", (answer_fn)dlsym(self, "SSL_there_is_none"));
	say("no libssl:", (answer_fn)dlsym(libc, "SSL_read"));
	say("no name of ours:", (answer_fn)dlsym(libc, "there_is_none"));
	printf("allocator: %s\n", calls == NULL ? "none" : calls() > 0 ? "used" : "not used");
	return 0;
}
#endif
