/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processor time that a command takes with one preloaded library and with another, run in turn.
 *
 *     spawn RUNS LIBRARY_A LIBRARY_B COMMAND ARGUMENT...
 *
 * Prints both medians, and the median of the differences between neighbours, in microseconds. Processor time, because
 * these programs wait for nothing but other programs; neighbours, and the two in changing order, because a machine that is
 * busy or warms up is so for both.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static double microseconds(struct timeval time)
{
	return (double)time.tv_sec * 1e6 + (double)time.tv_usec;
}

static double run(char **command, const char *library)
{
	char preload[4200];
	char *environment[] = {preload, "PATH=/usr/bin:/bin", NULL};
	struct rusage used;
	pid_t pid;
	int status;

	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", library);
	if (posix_spawn(&pid, command[0], NULL, NULL, command, environment) != 0 || wait4(pid, &status, 0, &used) != pid ||
	    status) {
		fprintf(stderr, "spawn: %s failed\n", command[0]);
		exit(1);
	}
	return microseconds(used.ru_utime) + microseconds(used.ru_stime);
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), ascending);
	return values[count / 2];
}

int main(int argc, char **argv)
{
	double *times[2], *differences;
	int runs = argc < 5 ? 0 : atoi(argv[1]);

	if (runs < 1) {
		fputs("spawn RUNS LIBRARY_A LIBRARY_B COMMAND ARGUMENT...\n", stderr);
		return 64;
	}
	times[0] = calloc((size_t)runs, sizeof(double));
	times[1] = calloc((size_t)runs, sizeof(double));
	differences = calloc((size_t)runs, sizeof(double));
	int status = !times[0] || !times[1] || !differences ? 71 : 0;
	for (int i = 0; status == 0 && i < runs; i++) {
		int first = i % 2;

		times[first][i] = run(argv + 4, argv[2 + first]);
		times[!first][i] = run(argv + 4, argv[2 + !first]);
		differences[i] = times[1][i] - times[0][i];
	}
	if (status == 0)
		printf("%.0f %.0f %.0f\n", median(times[0], runs), median(times[1], runs), median(differences, runs));
	free(times[0]);
	free(times[1]);
	free(differences);
	return status;
}
