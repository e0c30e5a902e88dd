/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In the place of tlsgraft-relay, which the keeper starts without an environment: becomes the program RELAY with VARIABLES,
 * "NAME=VALUE|NAME=VALUE". Both are given to the compiler. So what a sanitizer finds in a relay gets to somebody.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef RELAY /* where it is only looked at */
#define RELAY "tlsgraft-relay"
#define VARIABLES ""
#endif

int main(int argc, char **argv)
{
	static char variables[] = VARIABLES;

	(void)argc;
	for (char *variable = strtok(variables, "|"); variable != NULL; variable = strtok(NULL, "|"))
		putenv(variable);
	execv(RELAY, argv);
	return 70;
}
