# The report of plaintext.sh from its rows:
#     CELL SUBJECT ROUND REQUESTS/S P50 P99 CPU BUSY LOAD RESUMED
# TITLES holds a line "CELL TITLE" for each cell, in order. Status 1 where a target was missed.

function median(list, count,    i, j, value) {
    for (i = 2; i <= count; i++) {
        value = list[i]
        for (j = i - 1; j >= 1 && list[j] > value; j--) list[j + 1] = list[j]
        list[j + 1] = value
    }
    return count == 0 ? 0 : count % 2 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2
}

# The median over the rounds of one column of a subject, or 0 where it was not measured.
function middle(cell, subject, column,    list, count, round) {
    for (round = 1; round <= rounds; round++)
        if ((cell, subject, round, column) in value) list[++count] = value[cell, subject, round, column]
    return median(list, count)
}

# The median over the rounds of one subject's column divided by another's of the same round.
function ratio(cell, above, below, column,    list, count, round) {
    for (round = 1; round <= rounds; round++)
        if (value[cell, below, round, column] > 0 && (cell, above, round, column) in value)
            list[++count] = value[cell, above, round, column] / value[cell, below, round, column]
    return median(list, count)
}

# Why `subject` is not faster than it is, as far as can be seen from outside.
function reason(cell, subject, other,    busy, others, own, cpu) {
    own = middle(cell, subject, "load")
    busy = middle(cell, subject, "busy")
    others = middle(cell, other, "busy")
    cpu = sprintf("%.2f CPU s per million requests against %.2f", middle(cell, subject, "cpu"), middle(cell, other, "cpu"))
    if (middle(cell, subject, "rate") == 0) return "it was not measured"
    if (own > 0.93) return sprintf("the load generator is the limit, busy %.2f; %s", own, cpu)
    if (busy < 0.9) return sprintf("its processes wait, busy %.2f; %s", busy, cpu)
    # A server of one thread has no use for what is left of the other processor; a proxy before it has.
    if (busy > 0.95 && busy < 1.05 && others > busy + 0.03)
        return sprintf("its one thread fills a processor, the other side uses %.2f; of the same processor time %.2f times the requests; %s",
            others, ratio(cell, other, subject, "cpu"), cpu)
    return cpu
}

function target(cell, what, subject, other, column, limit, most,    got, met) {
    got = ratio(cell, subject, other, column)
    met = got > 0 && (most ? got <= limit : got >= limit)
    printf "  %-40s %5.2f  %s %.2f  %s\n", what, got, most ? "<=" : ">=", limit, met ? "met" : "missed"
    if (!met) {
        printf "    because: %s\n", reason(cell, subject, other)
        missed++
    } else {
        kept++
    }
}

BEGIN {
    while ((getline line < TITLES) > 0) {
        split(line, words, " ")
        cells[++cell_count] = words[1]
        title[words[1]] = substr(line, length(words[1]) + 2)
    }
    subject_count = split("plaintext own stunnel hitch-1 hitch-2 haproxy-1 haproxy-2 direct relay", subjects, " ")
}

{
    split("rate p50 p99 cpu busy load resumed", columns, " ")
    for (i = 1; i <= 7; i++) value[$1, $2, $3, columns[i]] = $(i + 3)
    if ($3 > rounds) rounds = $3
    there[$1] = seen[$2] = 1
}

END {
    for (c = 1; c <= cell_count; c++) {
        cell = cells[c]
        if (!(cell in there)) continue
        printf "%s\n  %-10s %10s %8s %10s %10s %9s %6s %6s\n", title[cell],
            "", "requests/s", "of plain", "p50 us", "p99 us", "CPU s/M", "busy", "load"
        best = ""
        for (s = 1; s <= subject_count; s++) {
            subject = subjects[s]
            rate = middle(cell, subject, "rate")
            if (!(subject in seen)) continue
            if (rate == 0) {
                printf "  %-10s %10s\n", subject, "-"
                continue
            }
            printf "  %-10s %10d %8.2f %10.1f %10.1f %9.2f %6.2f %6.2f\n", subject, rate, ratio(cell, subject, "plaintext", "rate"),
                middle(cell, subject, "p50"), middle(cell, subject, "p99"), middle(cell, subject, "cpu"),
                middle(cell, subject, "busy"), middle(cell, subject, "load")
            if (subject ~ /-[12]$|stunnel/ && (best == "" || rate > middle(cell, best, "rate"))) best = subject
        }
        small = cell ~ /^(redis|memcached)-64-50-1$/
        if (best != "" && ("direct" in seen)) {
            target(cell, "direct / " best ", requests", "direct", best, "rate", small ? 1.4 : 1.2, 0)
            if (small) target(cell, "direct / " best ", median latency", "direct", best, "p50", 0.6, 1)
            else printf "  %-40s %5.2f\n", "direct / " best ", median latency", ratio(cell, "direct", best, "p50")
        }
        if (best != "" && ("direct" in seen))
            printf "  %-40s %5.2f\n", "direct / " best ", processor time", ratio(cell, "direct", best, "cpu")
        if (("own" in seen) && ("direct" in seen)) target(cell, "direct / own TLS, requests", "direct", "own", "rate", 0.95, 0)
        if (best != "" && ("relay" in seen)) target(cell, "relay / " best ", requests", "relay", best, "rate", 0.8, 0)
        print ""
    }
    printf "medians of %d rounds; targets met %d, missed %d\n", rounds, kept, missed
    exit missed > 0
}
