"""How a job reads a dump, whatever it is: an archive of pg_dump (custom, tar, directory in a tar) or plain SQL, each as
it is or compressed, told by its content and never by its name. POSIX sh and awk that run on hosts.
"""

# `unpacked FILE WORK LIMIT` sees to it that `$file` is a dump as pg_restore or psql read it, and sets `$kind` to
# "archive" or "sql". What it unpacks lies in WORK, may have LIMIT bytes, and holds nothing but files: a link in a tar,
# or a path in the contents of a directory, would have pg_restore read what is the host's.
UNPACKED = r"""
begins() { od -An -tx1 -N "$2" "$1" | tr -d ' \n'; }
at() { dd if="$1" bs=1 skip="$2" count="$3" 2> /dev/null; }
expanded() {
    command -v "$1" > /dev/null || fail "$1 is not on this host: send the dump without that compression, or as .gz"
    { "$1" -dc < "$file" || touch "$work/failed"; } 2> "$work/said" | head -c "$((limit + 1))" > "$work/expanded"
    [ "$(stat -c %s "$work/expanded")" -le "$limit" ] || fail "it is larger than the $limit bytes that may come"
    [ ! -e "$work/failed" ] || fail "it can't be unpacked: $(head -n 1 "$work/said" | sed 's/^[a-z]*: *//')"
    rm -f "$work/dump"
    mv "$work/expanded" "$work/unpacked"
    file=$work/unpacked
}
# A tar in which a directory of pg_dump lies.
untarred() {
    ! tar -tvf "$file" 2> /dev/null | grep -qv '^[-d]' || fail "its tar holds something else than files"
    holds=$(tar -tvf "$file" | awk '{ bytes += $3 } END { printf "%.0f", bytes }')
    [ "$holds" -le "$limit" ] ||
        fail "it is larger than the $limit bytes that may come"
    mkdir "$work/tar"
    tar -xf "$file" -C "$work/tar" --no-same-owner --no-same-permissions 2> "$work/said" < /dev/null ||
        fail "its tar can't be unpacked: $(head -n 1 "$work/said")"
    [ -z "$(find "$work/tar" ! -type f ! -type d | head -n 1)" ] || fail "its tar holds something else than files"
    toc=$(find "$work/tar" -maxdepth 3 -name toc.dat | head -n 1)
    [ -n "$toc" ] || fail "its tar holds no dump: tar what pg_dump -Fd made, or send what pg_dump -Fc makes"
    mkdir "$work/directory"
    find "${toc%/*}" -maxdepth 1 -type f -exec mv {} "$work/directory" \;
    rm -rf "$work/tar" "$work/unpacked"
    file=$work/directory
    ! tr '\000\n' '\n\001' < "$file/toc.dat" | grep -qaE '^(/...|\.\.?/.)' ||
        fail "its contents name files elsewhere: send what pg_dump -Fc makes"
    for one in "$file"/blobs*.toc*; do
        [ ! -e "$one" ] || case $one in
        *.toc) ! grep -qavE '^[0-9]+ blob_[0-9]+\.dat$' "$one" || fail "its contents name files elsewhere" ;;
        *) fail "its large objects can't be read: send what pg_dump -Fc makes" ;;
        esac
    done
}
unpacked() {
    file=$1 work=$2 limit=$3
    for _ in 1 2; do
        case $(begins "$file" 6) in
        1f8b*) expanded gzip ;;
        28b52ffd*) expanded zstd ;;
        425a68*) expanded bzip2 ;;
        fd377a585a00) expanded xz ;;
        esac
    done
    [ -s "$file" ] || fail "there is nothing in it"
    kind=archive
    case $(begins "$file" 6) in
    5047444d50*) return 0 ;;
    504b0304*) fail "it is a zip file: send the dump itself, or as .gz" ;;
    1f8b* | 28b52ffd* | 425a68* | fd377a585a00) fail "it is compressed more than twice: send it as .gz" ;;
    esac
    magic=$(at "$file" 257 5)
    if [ "$magic" = ustar ]; then
        first=$(tar -tf "$file" 2> /dev/null | head -n 1)
        [ "$first" = toc.dat ] || untarred
        return 0
    fi
    kind=sql
    begins=$(head -c 4096 "$file" | wc -c)
    text=$(head -c 4096 "$file" | tr -d '\000' | wc -c)
    [ "$text" -eq "$begins" ] ||
        fail "it is no dump of PostgreSQL: make one with pg_dump -Fc"
    ! tail -c 4096 "$file" | grep -qa '^-- PostgreSQL database cluster dump complete' ||
        fail "it is of a whole server (pg_dumpall): dump the one database with pg_dump -Fc"
    tail -c 4096 "$file" | grep -qa '^-- PostgreSQL database dump complete' ||
        fail "it is neither an archive of pg_dump nor all of a plain dump (its last line is missing): use pg_dump -Fc"
}
"""

# Plain SQL as it is given to psql: without what pg_dump says to psql itself, since psql is told to obey nothing of the
# kind. `mode` is "schema" to leave the rows out. Nothing but pg_dump's own head reconnects.
PLAIN = r"""
/^\\restrict [A-Za-z0-9]+\r?$/ && !key { key = $2; sub(/\r$/, "", key) }
key && ($2 == key || $2 == key "\r") && NF == 2 && /^\\(un)?restrict / { next }
NR <= 200 && /^\\connect / { next }
mode == "schema" && rows { if ($0 ~ /^\\\.\r?$/) rows = 0; next }
mode == "schema" && /^COPY .* FROM stdin;\r?$/ { rows = 1; next }
{ print }
"""

# What psql said, as lines: `left` for what may be left out (by `rules`, see leaving.py), `bad` for what may not, each
# with how many, SQLSTATE, the statement's beginning (without what may be secret in it), and PostgreSQL's message. What
# matches `again` goes whole to a file instead, and what matches `also` goes there as well. With `stop`, a file with
# psql's process, the first that is bad ends it.
JUDGE = r"""
function clean(text, size) { gsub(/[[:cntrl:]]+/, " ", text); return substr(text, 1, size) }
function head(text) {
    if (text ~ /^ALTER .* OWNER TO /) return "ALTER ... OWNER TO "
    sub(/\n.*/, "", text)
    sub(/['$].*/, "", text)
    sub(/ (OPTIONS|CONNECTION) .*/, "", text)
    return clean(text, 160)
}
function note(kind, text,    key) {
    key = kind "\t" state "\t" message "\t" (kind == "left" ? substr(text, 1, 14) : text)
    if (!(key in count)) { order[++keys] = key; first[key] = text }
    count[key]++
}
function flush(    rule) {
    if (!state) return
    if ((again && statement ~ again) || (also && statement ~ also)) {
        sub(/;?[ \n]*$/, ";", statement)
        print statement > retried
        if (!also) { state = ""; return }
    }
    for (rule = 1; rule <= known; rule++)
        if (statement ~ begins[rule] && index(states[rule], " " state " ")) break
    note(rule <= known ? "left" : "bad", head(statement))
    state = ""
    if (rule > known) ended()
}
function ended() {
    if (stop && (getline pid < stop) > 0) system("kill " pid " 2> /dev/null")
    stop = ""
}
BEGIN {
    while ((getline line < rules) > 0) {
        split(line, part, "\t")
        states[++known] = part[1]; begins[known] = part[2]
    }
}
/^(ERROR|FATAL|PANIC):  [0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z][0-9A-Z]: / {
    flush()
    sub(/^[A-Z]+:  /, "")
    state = substr($0, 1, 5); message = clean(substr($0, 8), 240); statement = ""; inside = 0
    next
}
/^(WARNING|NOTICE|INFO|LOG|DEBUG):  / { flush(); next }
/^backslash commands are restricted/ || /^invalid command/ {
    flush()
    message = "it holds commands of psql, which are not obeyed: send what pg_dump -Fc makes"
    state = "psql "; note("bad", ""); state = ""; ended()
    next
}
/^psql: / { message = clean($0, 240); state = "psql "; note("bad", ""); state = ""; next }
/^STATEMENT:  / && state && !inside { statement = substr($0, 13); inside = 1; next }
inside { statement = statement "\n" $0 }
END {
    flush()
    for (number = 1; number <= keys; number++) {
        key = order[number]
        split(key, part, "\t")
        print part[1] "\t" count[key] "\t" part[2] "\t" first[key] "\t" part[3]
    }
}
"""

# What goes with the rights, statement by statement: roles and database by the names that they have here. `theirs` is
# the role that the dump is of, `owner` the one here, `fresh` the database. A parameter that the database has already
# (in the file `set`) stays as it is.
NAMING = r"""
function role(name) { return name == theirs || name == "\"" theirs "\"" ? owner : name }
# Whether it ends within a text or a name.
function unfinished(text,    place, sign, within) {
    for (place = 1; place <= length(text); place++) {
        sign = substr(text, place, 1)
        if (within == "" && (sign == "'" || sign == "\"")) within = sign
        else if (sign == within) within = ""
    }
    return within != ""
}
function said(    parameter) {
    if (match(text, /^ALTER DATABASE ("([^"]|"")*"|[^ ]+) SET /)) {
        parameter = substr(text, RLENGTH + 1)
        text = "ALTER DATABASE " fresh " SET " parameter
        split(parameter, part, " ")
        gsub(/"/, "", part[1])
        if (("database:" part[1]) in has) return
    } else if (match(text, /^ALTER ROLE ("([^"]|"")*"|[^ ]+) IN DATABASE ("([^"]|"")*"|[^ ]+) SET /)) {
        split(text, part, " ")
        parameter = substr(text, RLENGTH + 1)
        if (role(part[3]) == owner) {
            split(parameter, part, " ")
            gsub(/"/, "", part[1])
            if (("role:" part[1]) in has) return
            text = "ALTER ROLE " owner " IN DATABASE " fresh " SET " parameter
        }
    } else if (text ~ /^COMMENT ON DATABASE /) {
        if ("comment" in has) return
        sub(/^COMMENT ON DATABASE ("([^"]|"")*"|[^ ]+) IS /, "COMMENT ON DATABASE " fresh " IS ", text)
    } else if (text ~ /^ALTER DATABASE /) {
        return
    } else if (theirs != "") {
        if (match(text, /^ALTER DEFAULT PRIVILEGES FOR ROLE ("([^"]|"")*"|[^ ]+) /)) {
            split(text, part, " ")
            sub(/ FOR ROLE ("([^"]|"")*"|[^ ]+) /, " FOR ROLE " role(part[6]) " ", text)
        }
        if (match(text, /^(GRANT|REVOKE|ALTER DEFAULT) .* (TO|FROM) ("([^"]|"")*"|[^ ;]+)( WITH GRANT OPTION)?;$/)) {
            tail = text
            sub(/^.* (TO|FROM) /, "", tail)
            name = tail; sub(/( WITH GRANT OPTION)?;$/, "", name)
            if (role(name) != name)
                text = substr(text, 1, length(text) - length(tail)) role(name) substr(tail, length(name) + 1)
        } else if (match(text, policy)) {
            # It ends in TO and its first role; where that is the only one, it has another name here.
            name = text; name = substr(name, 1, RLENGTH); rest = substr(text, RLENGTH + 1)
            before = name; sub(/("([^"]|"")*"|[^ ]+)$/, "", before)
            name = substr(name, length(before) + 1)
            text = before role(name) rest
        }
    }
    print text
}
BEGIN {
    word = "(\"([^\"]|\"\")*\"|[^ .\"]+)"
    policy = "^CREATE POLICY " word " ON " word "(\\." word ")?( AS RESTRICTIVE)?( FOR [A-Z]+)? TO "
    policy = policy "(\"([^\"]|\"\")*\"|[^ ,;]+)"
    while ((getline line < set) > 0) has[line] = 1
}
text == "" && !/^(GRANT|REVOKE|ALTER|COMMENT ON DATABASE|CREATE POLICY|SET SESSION|RESET SESSION) ?/ { next }
{
    text = text == "" ? $0 : text "\n" $0
    if (unfinished(text) || text !~ /;$/) next
    said()
    text = ""
}
END { if (text != "") said() }
"""

# A restrictive policy that can't be made: one of its name that lets nobody see or write anything.
CLOSING = r"""
BEGIN {
    word = "(\"([^\"]|\"\")*\"|[^ .\"]+)"
    policy = "^CREATE POLICY " word " ON " word "(\\." word ")? AS RESTRICTIVE"
}
match($0, policy) { print substr($0, 1, RLENGTH) " USING (false);" }
"""
