/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/crls.h"

#include "keeper/escape.h"
#include "loader/identity.h"

#include <errno.h>
#include <stdlib.h>

int tg_crls_of(const struct tg_document *document, struct tg_crls *ret)
{
	struct tg_crls crls = {0};
	size_t room = 0;

	for (size_t i = 0; i < document->trust_count; i++)
		room += document->trusts[i].crl_count;
	crls.entries = calloc(room + 1, sizeof(*crls.entries));
	if (crls.entries == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < document->trust_count; i++) {
		for (size_t k = 0; k < document->trusts[i].crl_count; k++) {
			struct tg_crl_entry *entry = &crls.entries[crls.count];
			struct tg_crl_facts facts;

			if (tg_crl_facts(document->trusts[i].crls[k], &facts) < 0)
				continue;
			*entry = (struct tg_crl_entry){
			    .trust = (uint32_t)i,
			    .issuer = tg_escape_new(facts.issuer),
			    .this_update = facts.this_update,
			    .next_update = facts.next_update,
			    .warn_from = tg_crl_warn_from(facts.this_update, facts.next_update),
			};
			tg_crl_facts_clear(&facts);
			crls.count++;
			if (entry->issuer == NULL) {
				tg_crls_free(&crls);
				return -ENOMEM;
			}
		}
	}
	*ret = crls;
	return 0;
}

void tg_crls_free(struct tg_crls *crls)
{
	for (size_t i = 0; i < crls->count; i++)
		free(crls->entries[i].issuer);
	free(crls->entries);
	*crls = (struct tg_crls){0};
}
