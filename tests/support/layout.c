/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program finds at its start, as a listener on PORT would: `layout [PORT]` says how far each piece that the kernel
 * laid out lies from the one before (execve(2) puts argv, the environment, the auxiliary vector and then their strings
 * beside each other), which programs rely on that write their title over it.
 */
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/socket.h>

int main(int argc, char **argv, char **envp)
{
	char **end = envp;
	const ElfW(auxv_t) * auxiliary;
	const char *string = argv[0];
	int gaps = 0;

	listen(-1, 1); /* so that the shim takes it for a server */
	while (*end != NULL)
		end++;
	auxiliary = (const ElfW(auxv_t) *)(void *)(end + 1);
	while (auxiliary->a_type != AT_NULL && auxiliary->a_type != AT_PAGESZ)
		auxiliary++;
	for (int i = 0; i < argc; i++) {
		gaps += argv[i] != string;
		string = argv[i] + strlen(argv[i]) + 1;
	}
	for (char **entry = envp; *entry != NULL; entry++) {
		gaps += *entry != string;
		string = *entry + strlen(*entry) + 1;
	}
	printf("environment after argv: %d\n", (int)(envp - argv) == argc + 1);
	printf("auxiliary vector after it: %d\n",
	       auxiliary->a_type == AT_PAGESZ && auxiliary->a_un.a_val == getauxval(AT_PAGESZ));
	printf("gaps between strings: %d\n", gaps);
	return 0;
}
