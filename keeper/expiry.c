#include "keeper/expiry.h"

#include "keeper/clock.h"
#include "keeper/log.h"

#include <inttypes.h>

#define LOOK_MS (10 * 60 * 1000)
#define DAY 86400

void tg_expiry_reset(struct tg_expiry *expiry)
{
	*expiry = (struct tg_expiry){.next_look = tg_monotonic_ms() + LOOK_MS, .certificates_said = tg_wall_seconds()};
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

static void look_at_crls(struct tg_expiry *expiry, const struct tg_document *document, int64_t now)
{
	for (size_t i = 0; i < document->trust_count; i++) {
		const int64_t next_update = document->trusts[i].crl_next_update;

		if (next_update == 0)
			continue;
		if (next_update <= now && !expiry->crl_stale_said) {
			expiry->crl_stale_said = true;
			tg_log(TG_LOG_WARN, "a CRL is stale: clients are refused until it is replaced");
		} else if (next_update > now && next_update - now < DAY && !expiry->crl_soon_said) {
			expiry->crl_soon_said = true;
			tg_log(TG_LOG_WARN, "a CRL goes stale in %" PRId64 " minutes: clients are then refused",
			       (next_update - now) / 60);
		}
	}
}

void tg_expiry_look(struct tg_expiry *expiry, const struct tg_document *document, int warn_days)
{
	const int64_t now = tg_wall_seconds();

	if (tg_monotonic_ms() < expiry->next_look)
		return;
	expiry->next_look = tg_monotonic_ms() + LOOK_MS;
	look_at_crls(expiry, document, now);
	if (now - expiry->certificates_said >= DAY) {
		expiry->certificates_said = now;
		look_at_certificates(document, warn_days);
	}
}
