/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an identity would serve where: as JSON for `check`, in short for who judges programs.
 */
#ifndef TG_CLI_FACTS_H
#define TG_CLI_FACTS_H

#include "tlsgraft/loader.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

/* True where it speaks TLS for a plaintext server somewhere. */
bool tg_facts_plaintext(const tlsgraft_identity *identity);

/* The same of the file at `config`; false where it cannot be used. */
bool tg_facts_plaintext_file(const char *config);

/*
 * One object for each route and each group of its host names: {"name", "listen", "names", "mode", "server_speaks",
 * "plaintext": {"engine", "accept_plaintext", "plaintext_wait", "handshake_timeout", "proxy_protocol"}, "alpn": [] and
 * "alpn_required" where it is that, "certificates": [{"key_type", "sha256", "serial", "subject", "names", "not_before",
 * "not_after", "days_left", "chain"}], "cas", "crls": [{"issuer", "this_update", "next_update", "age_days"}], "allow"}.
 * NULL where memory ran out.
 */
cJSON *tg_facts_json(const tlsgraft_identity *identity);

#endif
