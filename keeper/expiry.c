/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper/expiry.h"

#include "keeper/clock.h"
#include "keeper/log.h"

#include <string.h>

#define LOOK_MS (10 * 60 * 1000)
#define DAY 86400

void tg_expiry_reset(struct tg_expiry *expiry, const struct tg_document *document)
{
	tg_crls_free(&expiry->crls);
	*expiry = (struct tg_expiry){.next_look = tg_monotonic_ms() + LOOK_MS,
				     .certificates_said = tg_wall_seconds(),
				     .crls_seen = tg_wall_seconds()};
	if (tg_crls_of(document, &expiry->crls) < 0)
		tg_log(TG_LOG_ERROR, "out of memory: that a CRL goes stale will not be said");
}

static void look_at_certificates(const struct tg_document *document, int warn_days)
{
	for (size_t i = 0; i < document->credentials_count; i++) {
		for (size_t k = 0; k < document->credentials[i].pair_count; k++) {
			struct tg_certificate_facts facts;

			if (tg_certificate_facts(document->credentials[i].pairs[k].leaf, &facts) < 0)
				continue;
			if (facts.days_left < 0)
				tg_log(TG_LOG_WARN, "certificate %s (serial %s) has expired", facts.subject, facts.serial);
			else if (facts.days_left <= warn_days)
				tg_log(TG_LOG_WARN, "certificate %s (serial %s) expires in %d days", facts.subject,
				       facts.serial, facts.days_left);
			tg_certificate_facts_clear(&facts);
		}
	}
}

/* The same list may be that of several sections. */
static bool said_already(const struct tg_crls *crls, size_t index)
{
	const struct tg_crl_entry *entry = &crls->entries[index];

	for (size_t i = 0; i < index; i++)
		if (crls->entries[i].next_update == entry->next_update &&
		    strcmp(crls->entries[i].issuer, entry->issuer) == 0)
			return true;
	return false;
}

/* What a clock has passed since the last look: each of these moments is said once, when it comes. */
static void look_at_crls(struct tg_expiry *expiry, int64_t now)
{
	for (size_t i = 0; i < expiry->crls.count && now > expiry->crls_seen; i++) {
		const struct tg_crl_entry *entry = &expiry->crls.entries[i];
		char date[TG_RFC3339_SIZE];

		if (said_already(&expiry->crls, i))
			continue;
		if (entry->next_update >= expiry->crls_seen && entry->next_update < now)
			tg_log(
			    TG_LOG_WARN,
			    "the CRL of %s is stale, a newer one was due at %s: clients of this CA are refused until it is "
			    "replaced",
			    entry->issuer, tg_rfc3339(entry->next_update, date));
		else if (entry->warn_from > expiry->crls_seen && entry->warn_from <= now && entry->next_update >= now)
			tg_log(TG_LOG_WARN, "the CRL of %s goes stale at %s: clients of this CA are then refused",
			       entry->issuer, tg_rfc3339(entry->next_update, date));
	}
	expiry->crls_seen = now;
}

void tg_expiry_look(struct tg_expiry *expiry, const struct tg_document *document, int warn_days)
{
	const int64_t now = tg_wall_seconds();

	look_at_crls(expiry, now);
	if (tg_monotonic_ms() < expiry->next_look)
		return;
	expiry->next_look = tg_monotonic_ms() + LOOK_MS;
	if (now - expiry->certificates_said >= DAY) {
		expiry->certificates_said = now;
		look_at_certificates(document, warn_days);
	}
}

void tg_expiry_end(struct tg_expiry *expiry)
{
	tg_crls_free(&expiry->crls);
}
