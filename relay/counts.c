/* SPDX-License-Identifier: Apache-2.0 */
#include "relay/counts.h"

#include "ipc/events.h"
#include "ipc/report.h"
#include "relay/loop.h"
#include "shim/policy/refused.h"
#include "shim/process/state.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS 50 /* between two additions: nobody looks more often */
#define READY 2u    /* of a section's state (layout.h) */
#define COUNTERS ((sizeof(struct tg_section_slot) - offsetof(struct tg_section_slot, accepted)) / sizeof(uint64_t))

/* What the tree's page has already of one section. */
struct added {
	uint64_t counters[COUNTERS];
	uint64_t events[TG_PLAINTEXT_EVENT_COUNT];
	uint64_t refusals[TG_REFUSALS_MAX];
	uint64_t alpn_unanswered;
};

static int report_fd = -1;
static struct added *added;           /* of each section */
static struct tg_event_reader passed; /* how far events have gone on to the tree's page */
static atomic_bool changed;
static atomic_int_least64_t next_time;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int tg_counts_start(int fd)
{
	/* what is never written to takes no memory */
	tg_shim.report = calloc(1, sizeof(*tg_shim.report));
	added = calloc(TG_SECTION_SLOTS, sizeof(*added));
	if (tg_shim.report == NULL || added == NULL)
		return -ENOMEM;
	tg_shim.report->magic = TG_REPORT_MAGIC;
	tg_shim.report->layout = TG_LAYOUT;
	report_fd = fd;
	tg_refused_may_ask = true;
	return 0;
}

void tg_counts_changed(void)
{
	atomic_store_explicit(&changed, true, memory_order_release);
}

static _Atomic uint64_t *counters_of(struct tg_section_slot *slot)
{
	return &slot->accepted;
}

/* How much `counter` has grown since the last time. */
static uint64_t growth(const _Atomic uint64_t *counter, uint64_t *before)
{
	const uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
	const uint64_t grown = now - *before;

	*before = now;
	return grown;
}

static void add(_Atomic uint64_t *counter, uint64_t grown)
{
	if (grown > 0)
		atomic_fetch_add_explicit(counter, grown, memory_order_relaxed);
}

static void add_section(struct tg_report_page *page, size_t index)
{
	struct tg_section_slot *ours = &tg_shim.report->sections[index];
	struct tg_section_slot *theirs = tg_report_section(page, ours->name);
	const struct tg_plaintext_slot *our_events = &tg_shim.report->plaintext[index];
	struct tg_plaintext_slot *their_events;
	const struct tg_refusals_slot *our_refusals = &tg_shim.report->refusals[index];
	struct tg_refusals_slot *their_refusals;
	uint64_t last;

	if (theirs == NULL)
		return;
	for (size_t i = 0; i < COUNTERS; i++)
		add(&counters_of(theirs)[i], growth(&counters_of(ours)[i], &added[index].counters[i]));
	their_events = &page->plaintext[theirs - page->sections];
	for (size_t i = 0; i < TG_PLAINTEXT_EVENT_COUNT; i++)
		add(&their_events->counts[i], growth(&our_events->counts[i], &added[index].events[i]));
	their_refusals = &page->refusals[theirs - page->sections];
	for (size_t i = 0; i < sizeof(our_refusals->counts) / sizeof(our_refusals->counts[0]); i++)
		add(&their_refusals->counts[i], growth(&our_refusals->counts[i], &added[index].refusals[i]));
	add(&page->alpn_unanswered[theirs - page->sections],
	    growth(&tg_shim.report->alpn_unanswered[index], &added[index].alpn_unanswered));
	last = atomic_load_explicit(&our_events->last_client, memory_order_relaxed);
	if (last > atomic_load_explicit(&their_events->last_client, memory_order_relaxed))
		atomic_store_explicit(&their_events->last_client, last, memory_order_relaxed);
}

static void pass_event(const struct tg_event *event, void *page)
{
	tg_events_write(page, event);
}

static void add_all(int64_t now)
{
	struct tg_report_page *page = NULL;

	/* the tree has ended, or memory ran out: then later, or never */
	if (tg_report_map(report_fd, true, &page) < 0)
		return;
	for (size_t i = 0; i < TG_SECTION_SLOTS; i++) {
		if (atomic_load_explicit(&tg_shim.report->sections[i].state, memory_order_acquire) != READY)
			break;
		add_section(page, i);
	}
	tg_events_lost(page, tg_events_read(tg_shim.report, &passed, now, pass_event, page));
	tg_report_unmap(page);
}

int tg_counts_run(void)
{
	const int64_t now = tg_loop_now();
	int64_t due;

	if (!atomic_load_explicit(&changed, memory_order_acquire))
		return -1;
	due = atomic_load_explicit(&next_time, memory_order_relaxed);
	if (now < due)
		return (int)(due - now);
	if (pthread_mutex_trylock(&lock) != 0)
		return PAUSE_MS;
	atomic_store_explicit(&next_time, now + PAUSE_MS, memory_order_relaxed);
	if (atomic_exchange(&changed, false))
		add_all(now);
	pthread_mutex_unlock(&lock);
	return -1;
}
