/*
 * What an identity would serve where, as JSON: for `check`.
 */
#ifndef TG_CLI_FACTS_H
#define TG_CLI_FACTS_H

#include "tlsgraft/loader.h"

#include <cjson/cJSON.h>

/*
 * One object for each route and each group of its host names: {"name", "listen", "names", "mode", "server_speaks",
 * "certificates": [{"key_type", "sha256", "serial", "subject", "names", "not_before", "not_after", "days_left", "chain"}],
 * "cas", "crls": [{"issuer", "this_update", "next_update", "age_days"}], "allow"}. NULL where memory ran out.
 */
cJSON *tg_facts_json(const tlsgraft_identity *identity);

#endif
