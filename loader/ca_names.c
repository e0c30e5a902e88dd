/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/ca_names.h"

#include "loader/describe.h"

#include <stdlib.h>

static int compare_names(const void *a, const void *b)
{
	const struct tg_listed *const *one = a, *const *other = b;

	return X509_subject_name_cmp((*one)->ca, (*other)->ca);
}

/* So many of one name that not each can be tried for a client that does not say which it means. */
static void check_alike(struct tg_load *load, const struct tg_listing *listing)
{
	const struct tg_listed **sorted =
	    tg_arena_alloc(load->arena, (listing->ca_count + 1) * sizeof(const struct tg_listed *));
	size_t alike = 1;

	if (!sorted)
		return;
	for (size_t i = 0; i < listing->ca_count; i++)
		sorted[i] = &listing->cas[i];
	qsort(sorted, listing->ca_count, sizeof(const struct tg_listed *), compare_names);
	for (size_t i = 1; i < listing->ca_count; i++) {
		alike = compare_names(&sorted[i - 1], &sorted[i]) == 0 ? alike + 1 : 1;
		if (alike == TG_SAME_NAME_MAX + 1)
			tg_message(load->messages, TLSGRAFT_WARNING, sorted[i]->place,
				   "%s: more than %d CAs have the name %s: clients whose certificates do not say by an "
				   "authority key identifier which of them issued it may be refused",
				   sorted[i]->file, TG_SAME_NAME_MAX, tg_subject_text(load->arena, sorted[i]->ca));
	}
}

/* Libssl would not tell: it fails each handshake. The shim sends no name then. */
static void check_fit(struct tg_load *load, const struct tg_listing *listing)
{
	size_t size = 0;

	for (size_t i = 0; i < listing->ca_count; i++) {
		size_t length = 0;

		if (X509_NAME_get0_der(X509_get_subject_name(listing->cas[i].ca), NULL, &length) == 1)
			size += length + 2;
	}
	if (size > TG_CA_NAMES_MAX)
		tg_message(load->messages, TLSGRAFT_WARNING, listing->cas[0].place,
			   "the names of its CAs take %zu bytes, and a handshake carries %d at most: none is sent, so a "
			   "client that has several certificates is not told which to use",
			   size, TG_CA_NAMES_MAX);
}

void tg_ca_names_check(struct tg_load *load, const struct tg_listing *listing)
{
	check_fit(load, listing);
	check_alike(load, listing);
}
