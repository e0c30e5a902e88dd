/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial INI SECTIONS ROUNDS: what the loader takes for a file, in milliseconds of a processor: "LOAD RELOAD EACH", medians
 * of ROUNDS. LOAD tries everything, RELOAD has the same served already and tries nothing: EACH is the difference for one
 * section.
 */
#include "tlsgraft/loader.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static int compare(const void *a, const void *b)
{
	const double one = *(const double *)a, other = *(const double *)b;

	return (one > other) - (one < other);
}

/* Milliseconds of one load; ends the program where it is refused. */
static double load(const char *ini, const tlsgraft_identity *serving, tlsgraft_identity **ret)
{
	tlsgraft_messages *messages = NULL;
	const double begin = now_ms();
	const int result = tlsgraft_load(ini, serving, ret, &messages);
	const double took = now_ms() - begin;

	if (result != TLSGRAFT_OK) {
		for (size_t i = 0; i < tlsgraft_messages_count(messages); i++)
			fprintf(stderr, "%s\n", tlsgraft_messages_text(messages, i));
		exit(1);
	}
	tlsgraft_messages_free(messages);
	return took;
}

int main(int argc, char **argv)
{
	const int sections = argc == 4 ? atoi(argv[2]) : 0, rounds = argc == 4 ? atoi(argv[3]) : 0;
	double *loads, *reloads;

	if (sections < 1 || rounds < 1) {
		fprintf(stderr, "usage: trial INI SECTIONS ROUNDS\n");
		return 64;
	}
	loads = calloc((size_t)rounds, sizeof(*loads));
	reloads = calloc((size_t)rounds, sizeof(*reloads));
	for (int i = 0; loads && reloads && i < rounds; i++) {
		tlsgraft_identity *first = NULL, *second = NULL;

		loads[i] = load(argv[1], NULL, &first);
		reloads[i] = load(argv[1], first, &second);
		tlsgraft_identity_unref(first);
		tlsgraft_identity_unref(second);
	}
	if (loads && reloads) {
		qsort(loads, (size_t)rounds, sizeof(*loads), compare);
		qsort(reloads, (size_t)rounds, sizeof(*reloads), compare);
		printf("%.2f %.2f %.2f\n", loads[rounds / 2], reloads[rounds / 2],
		       (loads[rounds / 2] - reloads[rounds / 2]) / sections);
	}
	free(loads);
	free(reloads);
	return 0;
}
