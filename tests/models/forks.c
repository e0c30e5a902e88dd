/* SPDX-License-Identifier: Apache-2.0 */
/* After a fork: which process goes on with a connection that both have. A thread here may be another process's. */
#include "explore.h"

#include "shim/direct/stream/claims.h"

static struct tg_claim claim;
static _Atomic int taken[MODEL_THREADS]; /* 1: yes, -1: no */

void prepare(void)
{
	if (!tg_claims_start())
		model_fail("no memory");
}

static void one_claim(void)
{
	claim = tg_claim_new();
	model_check(tg_claim_take(&claim), "a new connection is another process's");
	tg_claim_release(&claim);
}

static void parent_and_child(void)
{
	one_claim();
	model_fork(2, 2);
}

/* Of the child two threads are the first to use anything. */
static void parent_and_two_of_child(void)
{
	one_claim();
	model_fork(2, 2);
	model_fork(3, 2);
}

static void take(void)
{
	taken[model_self()] = tg_claim_take(&claim) ? 1 : -1;
}

static void give_away(void)
{
	taken[model_self()] = tg_claim_give_away(&claim) ? 1 : -1;
}

/* The connection is over here, and its word another one's. */
static void end_and_next(void)
{
	tg_claim_end(&claim);
	const struct tg_claim next = tg_claim_new();
	model_check(tg_claim_take(&next), "a new connection is another process's");
	model_check(tg_claim_look(&next) == TG_CLAIM_OURS, "a new connection is lost");
	tg_claim_end(&next);
}

static void own_and_child(void)
{
	parent_and_child();
	tg_claim_take(&claim);
}

static void one_has_it(void)
{
	model_check(taken[1] + taken[2] == 0, "two processes go on with one connection, or none");
}

static void one_process_has_it(void)
{
	model_check(taken[2] == taken[3], "one of two threads of a process has a connection");
	one_has_it();
}

static void not_the_child(void)
{
	model_check(taken[2] == -1, "a process goes on with a connection that is another one");
}

const struct scenario scenarios[] = {
    {"used by both", parent_and_child, {take, take}, one_has_it, 4, false},
    {"used by parent and two threads of the child",
     parent_and_two_of_child,
     {take, take, take},
     one_process_has_it,
     2,
     false},
    {"given away while used", parent_and_child, {give_away, take}, one_has_it, 4, false},
    {"ended while used", own_and_child, {end_and_next, take}, not_the_child, 4, false},
    {NULL, NULL, {NULL}, NULL, 0, false},
};
