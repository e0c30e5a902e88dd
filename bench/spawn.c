/*
 * The time that a command takes with one preloaded library and with another, run in turn.
 *
 *     spawn RUNS LIBRARY_A LIBRARY_B COMMAND ARGUMENT...
 *
 * Prints both medians and their difference in microseconds. In turn, so that a busy machine is busy for both.
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double run(char **command, const char *library)
{
	char preload[4200];
	char *environment[] = {preload, "PATH=/usr/bin:/bin", NULL};
	struct timespec before, after;
	pid_t pid;
	int status;

	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", library);
	clock_gettime(CLOCK_MONOTONIC, &before);
	if (posix_spawn(&pid, command[0], NULL, NULL, command, environment) != 0 || waitpid(pid, &status, 0) != pid ||
	    status) {
		fprintf(stderr, "spawn: %s failed\n", command[0]);
		exit(1);
	}
	clock_gettime(CLOCK_MONOTONIC, &after);
	return (double)(after.tv_sec - before.tv_sec) * 1e6 + (double)(after.tv_nsec - before.tv_nsec) / 1e3;
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
	double *times[2];
	double a, b;
	int runs;

	if (argc < 5) {
		fputs("spawn RUNS LIBRARY_A LIBRARY_B COMMAND ARGUMENT...\n", stderr);
		return 64;
	}
	runs = atoi(argv[1]);
	for (int which = 0; which < 2; which++)
		times[which] = calloc((size_t)runs, sizeof(double));
	for (int i = 0; i < runs; i++)
		for (int which = 0; which < 2; which++)
			times[which][i] = run(argv + 4, argv[2 + which]);
	a = median(times[0], runs);
	b = median(times[1], runs);
	printf("%.0f %.0f %.0f\n", a, b, b - a);
	free(times[0]);
	free(times[1]);
	return 0;
}
