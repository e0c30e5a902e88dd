/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `loads LIBRARY`: opens LIBRARY, deeply bound, and prints what its function `answer` says. Compiled with -DOUTER it is
 * that library, which opens libinner.so by its bare name, found by its own run path alone; with -DINNER libinner.so.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <sys/socket.h>

const char *who(void);

#if defined(INNER)
const char *inside(void);
const char *inside(void)
{
	return "inner";
}
#elif defined(OUTER)
void answer(void);

const char *who(void)
{
	return "library";
}

void answer(void)
{
	void *inner = dlopen("libinner.so", RTLD_NOW);
	const char *(*inside)(void) = inner ? (const char *(*)(void))dlsym(inner, "inside") : NULL;

	printf("%s %s\n", who(), inside ? inside() : dlerror());
}
#else
const char *who(void)
{
	return "program";
}

int main(int argc, char **argv)
{
	void *outer = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_DEEPBIND) : NULL;
	void (*answer)(void) = outer ? (void (*)(void))dlsym(outer, "answer") : NULL;

	if (!answer)
		return listen(-1, 0) == 0 ? 0 : 1;
	answer();
	return 0;
}
#endif
