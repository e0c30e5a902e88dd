/* SPDX-License-Identifier: Apache-2.0 */
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MOST_SAMPLES = 4000000, MOST_PROCESSES = 256 };

static float samples[MOST_SAMPLES];
static size_t sample_count;
static pid_t processes[MOST_PROCESSES];
static size_t process_count;

static double seconds_of(clockid_t clock)
{
	struct timespec time;

	return clock_gettime(clock, &time) == 0 ? (double)time.tv_sec + (double)time.tv_nsec / 1e9 : 0;
}

uint64_t nanoseconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void sample_note(uint64_t latency)
{
	if (sample_count < MOST_SAMPLES)
		samples[sample_count++] = (float)latency;
}

static int ascending(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

double sample_quantile(double part)
{
	if (sample_count == 0)
		return 0;
	qsort(samples, sample_count, sizeof(*samples), ascending);
	return (double)samples[(size_t)((double)(sample_count - 1) * part)] / 1e3;
}

void processes_add(pid_t pid)
{
	char path[64];
	FILE *children;
	int child;

	for (size_t i = 0; i < process_count; i++)
		if (processes[i] == pid)
			return;
	if (process_count == MOST_PROCESSES)
		return;
	processes[process_count++] = pid;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
	children = fopen(path, "re");
	if (!children)
		return;
	while (fscanf(children, "%d", &child) == 1)
		processes_add(child);
	fclose(children);
}

double processes_seconds(void)
{
	double sum = 0;
	clockid_t clock;

	for (size_t i = 0; i < process_count; i++)
		if (clock_getcpuclockid(processes[i], &clock) == 0)
			sum += seconds_of(clock);
	return sum;
}

double own_seconds(void)
{
	return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}
