#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/identity.h"
#include "server/config.h"
#include "tests/support/viv_test.h"
#include "tree/acl.h"
#include "tree/prepare.h"

static const struct viv_config_backend backend_items[] = {{"solid", false}, {"fleeting", true}};
static const struct viv_config_backends backends = {backend_items, 2, "solid"};

#define BASE     "dataDir=/d\nclientPort=0\n"
#define ENSEMBLE BASE "initLimit=10\nsyncLimit=5\nserver.1=a:2888:3888\nserver.2=b:2888:3888:observer;2181\n"

static const char *give_myid(void *ctx, const char *data_dir)
{
    (void)data_dir;
    return ctx;
}

#define DYNAMIC BASE "initLimit=10\nsyncLimit=5\ndynamicConfigFile=/members\n"

/* The file that DYNAMIC names, as the test wants it; NULL: there is none. */
static const char *members_text;

static bool give_file(void *ctx, const char *path, struct viv_buffer *text)
{
    (void)ctx;
    if ((strcmp(path, "/members") != 0 && strcmp(path, "/zoo.cfg.dynamic.10000000b") != 0) || members_text == NULL) {
        errno = ENOENT;
        return false;
    }
    viv_buffer_append_bytes(text, viv_bytes_text(members_text));
    return true;
}

static void parse(struct viv_config *config, struct viv_config_report *report, const char *text, const char *myid)
{
    *report = (struct viv_config_report){0};
    struct viv_config_sources sources = {give_myid, give_file, (void *)myid};
    viv_config_parse(config, "f", viv_bytes_text(text), &backends, &sources, report);
    viv_buffer_append(&report->text, "", 1);
}

static void expect_clean(struct viv_config *config, const char *text, const char *myid)
{
    struct viv_config_report report;
    parse(config, &report, text, myid);
    cr_assert_eq(report.error_count + report.warning_count, 0, "%s", (const char *)report.text.data);
    viv_config_report_fini(&report);
}

/* Exactly one message, exactly this one. */
static void expect_message(const char *text, const char *myid, const char *message)
{
    struct viv_config config;
    struct viv_config_report report;
    parse(&config, &report, text, myid);
    cr_assert_eq(report.error_count + report.warning_count, 1, "%s gave: %s", text, (const char *)report.text.data);
    cr_assert_str_eq((const char *)report.text.data, message);
    viv_config_report_fini(&report);
}

VIV_TEST(server_config, two_lines_are_enough_and_the_rest_has_defaults)
{
    struct viv_config config;
    expect_clean(&config, BASE, NULL);
    cr_assert_str_eq(config.data_dir, "/d");
    cr_assert_str_eq(config.data_log_dir, "/d");
    cr_assert_str_eq(config.backend, "solid");
    cr_assert_str_eq(config.client_address, "");
    cr_assert(config.standalone && config.durable && config.snapshot);
    cr_assert_eq(config.client_port, 0);
    cr_assert_eq(config.sid, 1);
    cr_assert_eq(config.tick_ms, 3000);
    cr_assert_eq(config.session_timeout_min_ms, 6000);
    cr_assert_eq(config.session_timeout_max_ms, 60000);
    cr_assert_eq(config.connections_per_address_max, 60);
    cr_assert_eq(config.frame_bytes_max, 1048575);
    cr_assert_eq(config.snapshot_entries, 100000);
    cr_assert_eq(config.four_letter_words, viv_four_letter_default());
}

VIV_TEST(server_config, every_key_sets_its_member)
{
    struct viv_config c;
    expect_clean(&c,
                 "# comment\n ! another\n\n  dataDir = /d \r\ndataLogDir:/l\nclientPort 2181\nclientPortAddress=::1\n"
                 "clientPortListenBacklog=7\ntickTime=2000\ninitLimit=11\nsyncLimit=6\nminSessionTimeout=1\n"
                 "maxSessionTimeout=2\nmaxClientCnxns=3\nmaxCnxns=4\nsnapCount=5\nsnapSizeLimitInKb=6\n"
                 "jute.maxbuffer=4096\n4lw.commands.whitelist=ruok, conf\nbackend=fleeting\ndurability=none\n"
                 "snapshot=fuzzy\nlog.segmentBytes=1048576\nload.threads=1\ntrace.file=/t\n"
                 "clusterId=00000000000000010000000000000002",
                 "9");
    cr_assert_str_eq(c.data_dir, "/d");
    cr_assert_str_eq(c.data_log_dir, "/l");
    cr_assert_eq(c.client_port, 2181);
    cr_assert_str_eq(c.client_address, "::1");
    cr_assert_eq(c.listen_backlog, 7);
    cr_assert_eq(c.tick_ms, 2000);
    cr_assert_eq(c.init_limit_ticks, 11);
    cr_assert_eq(c.sync_limit_ticks, 6);
    cr_assert_eq(c.session_timeout_min_ms, 1);
    cr_assert_eq(c.session_timeout_max_ms, 2);
    cr_assert_eq(c.connections_per_address_max, 3);
    cr_assert_eq(c.connections_max, 4);
    cr_assert_eq(c.snapshot_entries, 5);
    cr_assert_eq(c.snapshot_kib, 6);
    cr_assert_eq(c.frame_bytes_max, 4096);
    cr_assert_eq(c.four_letter_words,
                 viv_four_letter_bit(VIV_FOUR_LETTER_ruok) | viv_four_letter_bit(VIV_FOUR_LETTER_conf));
    cr_assert_str_eq(c.backend, "fleeting");
    cr_assert_not(c.durable);
    cr_assert_eq(c.segment_bytes, 1048576);
    cr_assert_eq(c.load_threads, 1);
    cr_assert_str_eq(c.trace_file, "/t");
    cr_assert_eq(c.cluster[0], 1);
    cr_assert_eq(c.cluster[1], 2);
    cr_assert_eq(c.sid, 9);
}

VIV_TEST(server_config, server_lines_make_an_ensemble_in_the_order_of_their_ids)
{
    struct viv_config config;
    expect_clean(&config,
                 "dataDir=/d\ninitLimit=10\nsyncLimit=5\nserver.3=[::1]:2:3:participant;[::2]:2181\n"
                 "server.1=a.b:4:5:observer\n",
                 "3");
    cr_assert_not(config.standalone);
    cr_assert_eq(config.members.count, 2);
    cr_assert_eq(config.members.items[0].sid, 1);
    cr_assert_not(config.members.items[0].voter);
    const struct viv_member *self = viv_config_self(&config);
    cr_assert_eq(self->sid, 3);
    cr_assert_str_eq(self->host, "::1");
    cr_assert_eq(self->peer_port, 2);
    cr_assert_eq(self->election_port, 3);
    cr_assert_eq(config.client_port, 2181);
    cr_assert_str_eq(config.client_address, "::2");
    struct viv_buffer text = {0};
    viv_members_print(&config.members, &text);
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&text),
                              viv_bytes_text("server.1=a.b:4:5:observer\n"
                                             "server.3=[::1]:2:3:participant;[::2]:2181\nversion=0")));
    viv_buffer_fini(&text);
}

VIV_TEST(server_config, one_server_line_is_standalone)
{
    struct viv_config config;
    expect_clean(&config, BASE "server.5=a:1:2\n", NULL);
    cr_assert(config.standalone);
    cr_assert_eq(config.sid, 5);
}

VIV_TEST(server_config, a_star_allows_every_word_and_an_empty_list_none)
{
    struct viv_config config;
    expect_clean(&config, BASE "4lw.commands.whitelist=*\n", NULL);
    cr_assert_eq(config.four_letter_words, UINT32_MAX);
    expect_clean(&config, BASE "4lw.commands.whitelist=\n", NULL);
    cr_assert_eq(config.four_letter_words, 0);
}

VIV_TEST(server_config, an_unknown_key_warns_with_its_line_and_the_nearest_key)
{
    expect_message(BASE "tickTme=1\n", NULL, "f:3: warning: unknown key tickTme is skipped; did you mean tickTime?\n");
    expect_message(BASE "ticktime=1\n", NULL,
                   "f:3: warning: unknown key ticktime is skipped; did you mean tickTime?\n");
    expect_message(BASE "quite.another.thing=1\n", NULL, "f:3: warning: unknown key quite.another.thing is skipped\n");
}

VIV_TEST(server_config, keys_without_effect_say_so_and_keys_given_twice_too)
{
    expect_message(BASE "autopurge.purgeInterval=24\n", NULL,
                   "f:3: warning: autopurge.purgeInterval has no effect: old images and logs are removed as soon as "
                   "they are not needed\n");
    expect_message(BASE "clientPort=1\n", NULL,
                   "f:3: warning: clientPort was given in line 2 already; this line wins\n");
}

VIV_TEST(server_config, keys_that_would_change_a_promise_are_refused)
{
    expect_message(BASE "ssl.quorum.ocsp=true\n", NULL,
                   "f:3: error: ssl.quorum.ocsp=true: not supported; legal: false; put a revocation list into the "
                   "trust store, in PEM, and set crl=true\n");
}

VIV_TEST(server_config, a_bad_number_names_line_key_value_and_what_is_legal)
{
    expect_message(BASE "tickTime=2s\n", NULL,
                   "f:3: error: tickTime=2s: not a whole number; legal: 1 to 3600000 (milliseconds)\n");
    expect_message(BASE "tickTime=0\n", NULL,
                   "f:3: error: tickTime=0: out of range; legal: 1 to 3600000 (milliseconds)\n");
    expect_message(BASE "tickTime=\n", NULL,
                   "f:3: error: tickTime=: not a whole number; legal: 1 to 3600000 (milliseconds)\n");
    expect_message(BASE "snapCount=99999999999999999999\n", NULL,
                   "f:3: error: snapCount=99999999999999999999: not a whole number; legal: 2 to 1000000000 "
                   "(transactions)\n");
    expect_message("dataDir=/d\nclientPort=65536\nserver.1=h:1:2;5\n", NULL,
                   "f:2: error: clientPort=65536: out of range; legal: 0 to 65535 (a port; 0 takes a free one)\n");
}

VIV_TEST(server_config, a_bad_choice_names_what_is_legal)
{
    expect_message(BASE "backend=flatt\n", NULL,
                   "f:3: error: backend=flatt: not in this build; legal: solid, fleeting\n");
    expect_message(
        BASE "election.policy=dice\n", NULL,
        "f:3: error: election.policy=dice: not a policy of electing; legal: fle (the default, as ZooKeeper), "
        "ring, priority or rtt, the same on every server; all but fle are for voters of this program only\n");
    expect_message(BASE "election.slack=3\n", NULL,
                   "f:3: error: with election.policy=fle a leader never lags; legal: 0\n");
    expect_message(BASE "reads=fresh\n", NULL,
                   "f:3: error: reads=fresh: neither of the two; legal: local (the default, as ZooKeeper) or "
                   "linearizable: a read shows every write acknowledged before it\n");
    expect_message(BASE "durability=maybe\n", NULL,
                   "f:3: error: durability=maybe: neither of the two; legal: sync or none\n");
    expect_message(BASE "snapshot=fork\n", NULL,
                   "f:3: error: snapshot=fork: not a way of taking snapshots; legal: fuzzy\n");
    expect_message(BASE "4lw.commands.whitelist=ruok,nope\n", NULL,
                   "f:3: error: 4lw.commands.whitelist=ruok,nope: names a word that is not a four-letter word of "
                   "ZooKeeper's; legal: * or a comma list of four-letter words\n");
    expect_message(BASE "clusterId=12\n", NULL,
                   "f:3: error: clusterId=12: not 32 hexadecimal digits; legal: 32 hexadecimal digits, not all zero\n");
    expect_message(BASE "clientPortAddress=a b\n", NULL,
                   "f:3: error: clientPortAddress=a b: not a host name or address; legal: a host name or an address\n");
    expect_message(BASE "trace.file=\n", NULL, "f:3: error: trace.file=: empty; legal: a file\n");
}

#define SERVER_LEGAL                                                                                                   \
    "; legal: server.N=host:peerPort:electionPort[:participant|observer][;[address:]clientPort], N from 1 to 254; "    \
    "with "                                                                                                            \
    "multiAddress.enabled several host:peerPort:electionPort with | between\n"

VIV_TEST(server_config, a_bad_server_line_says_which_part_is_wrong)
{
    expect_message(BASE "server.0=a:1:2\n", NULL,
                   "f:3: error: server.0=a:1:2: the server id is not a number from 1 to 254" SERVER_LEGAL);
    expect_message(BASE "server.255=a:1:2\n", NULL,
                   "f:3: error: server.255=a:1:2: the server id is not a number from 1 to 254" SERVER_LEGAL);
    expect_message(BASE "server.1=:2:3\n", NULL,
                   "f:3: error: server.1=:2:3: the host is missing or malformed" SERVER_LEGAL);
    expect_message(BASE "server.1=a\n", NULL, "f:3: error: server.1=a: the host is missing or malformed" SERVER_LEGAL);
    expect_message(BASE "server.1=a:1\n", NULL,
                   "f:3: error: server.1=a:1: needs two ports, from 1 to 65535, after the host" SERVER_LEGAL);
    expect_message(BASE "server.1=a:1:70000\n", NULL,
                   "f:3: error: server.1=a:1:70000: needs two ports, from 1 to 65535, after the host" SERVER_LEGAL);
    expect_message(BASE "server.1=a:1:2:king\n", NULL,
                   "f:3: error: server.1=a:1:2:king: the role is neither participant nor observer" SERVER_LEGAL);
    expect_message(BASE "server.1=a:1:2;x\n", NULL,
                   "f:3: error: server.1=a:1:2;x: the client port is not a port" SERVER_LEGAL);
    expect_message(BASE "server.1=a:1:2\nserver.1=a:1:2\n", NULL,
                   "f:4: error: server.1=a:1:2: this server has a line already" SERVER_LEGAL);
}

VIV_TEST(server_config, a_server_has_several_addresses_only_where_that_is_switched_on)
{
    static const char lines[] = ENSEMBLE "server.3=c:1:2|d:3:4;7\n";
    struct viv_config config;
    expect_message(lines, "1",
                   "f:7: error: server.3 has several addresses; legal: one, or multiAddress.enabled=true\n");
    expect_clean(&config, ENSEMBLE "server.3=c:1:2|d:3:4;7\nmultiAddress.enabled=true\n", "1");
    cr_assert_eq(viv_member_address_count(viv_members_find(&config.members, 3)), 2);
}

VIV_TEST(server_config, what_is_missing_is_named)
{
    expect_message("clientPort=0\n", NULL, "f: error: dataDir is missing; legal: a directory\n");
    expect_message("dataDir=/d\n", NULL, "f: error: clientPort is missing; legal: 0 to 65535 (0 takes a free one)\n");
    expect_message(BASE "syncLimit=5\nserver.1=a:1:2\nserver.2=b:1:2\n", "1",
                   "f: error: initLimit is missing; an ensemble needs it; legal: 1 to 100000 (ticks)\n");
    expect_message(BASE "initLimit=5\nserver.1=a:1:2\nserver.2=b:1:2\n", "1",
                   "f: error: syncLimit is missing; an ensemble needs it; legal: 1 to 100000 (ticks)\n");
    expect_message(ENSEMBLE, NULL,
                   "f: error: /d/myid is missing; an ensemble needs it; legal: the number of this server\n");
}

VIV_TEST(server_config, values_that_contradict_one_another_are_refused)
{
    expect_message(ENSEMBLE, "x", "f: error: /d/myid holds 'x'; legal: a number from 1 to 254\n");
    expect_message(ENSEMBLE, "3", "f:6: error: there is no server.3 line, but /d/myid says 3\n");
    expect_message("dataDir=/d\nclientPort=7\ninitLimit=10\nsyncLimit=5\nserver.1=a:1:2;8\nserver.2=b:1:2\n", "1",
                   "f:2: error: clientPort=7: server.1 says 8; legal: the same\n");
    expect_message(BASE "minSessionTimeout=9\nmaxSessionTimeout=8\n", NULL,
                   "f:3: error: minSessionTimeout=9: above maxSessionTimeout; legal: up to 8 (milliseconds)\n");
    expect_message(BASE "backend=fleeting\n", NULL,
                   "f:3: error: backend=fleeting forgets everything when the process ends; it needs durability=none to "
                   "say so\n");
    expect_message(BASE "initLimit=1\nsyncLimit=1\nserver.1=a:1:2:observer\nserver.2=b:1:2:observer\n", "1",
                   "f:6: error: every server is an observer; at least one must vote\n");
}

VIV_TEST(server_config, lines_that_are_not_pairs_are_errors)
{
    expect_message(BASE "nonsense\n", NULL, "f:3: error: 'nonsense' is not key=value\n");
    expect_message(BASE "=5\n", NULL, "f:3: error: '=5' is not key=value\n");
    expect_message(BASE "a=b\\\n", NULL,
                   "f:3: error: a line that goes on in the next one (\\ at its end) is not supported\n");
    char long_line[5000];
    memset(long_line, 'x', sizeof long_line);
    memcpy(long_line, BASE, strlen(BASE));
    long_line[sizeof long_line - 1] = '\0';
    expect_message(long_line, NULL, "f:3: error: the line is longer than 4095 bytes or holds a zero byte\n");
}

VIV_TEST(server_config, all_errors_of_a_file_are_listed_in_one_pass)
{
    struct viv_config config;
    struct viv_config_report report;
    parse(&config, &report, "tickTime=x\nbackend=y\ndurability=z\nwhat=1\n", NULL);
    cr_assert_eq(report.error_count, 5);
    cr_assert_eq(report.warning_count, 1);
    viv_config_report_fini(&report);
}

VIV_TEST(server_config, a_file_and_its_myid_are_read_from_disk)
{
    char dir[] = "/tmp/viv_test_config_XXXXXX";
    cr_assert_not_null(mkdtemp(dir));
    char path[64], myid[64];
    snprintf(path, sizeof path, "%s/f", dir);
    snprintf(myid, sizeof myid, "%s/myid", dir);
    FILE *file = fopen(path, "w");
    fprintf(file, "dataDir=%s\nclientPort=0\n", dir);
    fclose(file);
    file = fopen(myid, "w");
    fprintf(file, "42\n");
    fclose(file);
    struct viv_config config;
    struct viv_config_report report = {0};
    viv_config_load(&config, path, &backends, &report);
    cr_assert_eq(report.error_count, 0);
    cr_assert_eq(config.sid, 42);
    unlink(path);
    viv_config_load(&config, path, &backends, &report);
    cr_assert_eq(report.error_count, 1);
    viv_config_report_fini(&report);
    unlink(myid);
    rmdir(dir);
}

VIV_TEST(server_config, help_lists_every_key_that_can_be_set)
{
    struct viv_buffer text = {0};
    viv_config_describe_keys(&text);
    viv_buffer_append(&text, "", 1);
    cr_assert_not_null(strstr((const char *)text.data, "  tickTime "));
    cr_assert_not_null(strstr((const char *)text.data, "  backend "));
    cr_assert_null(strstr((const char *)text.data, "autopurge"));
    viv_buffer_fini(&text);
}

VIV_TEST(server_config, the_members_may_stand_in_a_file_of_their_own)
{
    struct viv_config config;
    members_text = "server.1=a:1:2\n# one more\nserver.2=b:1:2:observer;2181\nversion=10000000a\n";
    expect_clean(&config, DYNAMIC, "1");
    cr_assert_eq(config.members.count, 2);
    cr_assert_eq(config.members.version, 0x10000000a);
    struct viv_buffer text = {0};
    viv_members_print(&config.members, &text);
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&text),
                              VIV_BYTES_LITERAL("server.1=a:1:2:participant\n"
                                                "server.2=b:1:2:observer;0.0.0.0:2181\nversion=10000000a")));
    viv_buffer_fini(&text);
}

VIV_TEST(server_config, a_members_file_that_a_server_wrote_has_its_version_in_its_name)
{
    struct viv_config config;
    members_text = "server.1=a:1:2\nserver.2=b:1:2:observer;2181";
    expect_clean(&config, BASE "initLimit=10\nsyncLimit=5\ndynamicConfigFile=/zoo.cfg.dynamic.10000000b\n", "1");
    cr_assert_eq(config.members.version, 0x10000000b);
}

VIV_TEST(server_config, what_is_wrong_with_the_members_file_names_its_line)
{
    members_text = "server.1=a:1:2\nserver.2=b\n";
    struct viv_config config;
    struct viv_config_report report;
    parse(&config, &report, DYNAMIC, "1");
    cr_assert(strstr((const char *)report.text.data, "/members:2: error: server.2=b: ") != NULL, "%s",
              (const char *)report.text.data);
    viv_config_report_fini(&report);
    members_text = "server.1=a:1:2\nserver.2=b:1:2\ntickTime=7\n";
    expect_message(
        DYNAMIC, "1",
        "/members:3: error: tickTime does not belong here; legal: server.N lines and version; the rest is in "
        "the file that names this one\n");
    members_text = "# nobody\n";
    expect_message(DYNAMIC, NULL, "/members: error: there is no server line; legal: server.N lines\n");
    members_text = NULL;
    expect_message(DYNAMIC, NULL, "f:5: error: dynamicConfigFile=/members cannot be read: No such file or directory\n");
    expect_message(
        ENSEMBLE "dynamicConfigFile=/members\n", "1",
        "f:6: error: server lines stand here and dynamicConfigFile=/members is given; legal: one of the two\n");
    expect_message(BASE "version=1\n", NULL,
                   "f:3: error: version does not belong here; legal: a hexadecimal number, in the file that "
                   "dynamicConfigFile names\n");
}

VIV_TEST(server_config, no_limit_on_handshakes_is_said_as_in_zookeeper)
{
    struct viv_config config;
    expect_clean(&config, BASE "netty.server.outstandingHandshake.limit=-1\n", NULL);
    cr_assert_eq(config.handshakes_max, INT64_MAX);
}

VIV_TEST(server_config, keys_may_be_written_as_the_properties_they_are_in_zookeeper)
{
    struct viv_config config;
    expect_clean(&config, BASE "zookeeper.snapCount=77\n", NULL);
    cr_assert_eq(config.snapshot_entries, 77);
    expect_message(BASE "nio.numWorkerThreads=4\n", NULL,
                   "f:3: warning: nio.numWorkerThreads has no effect: a setting of Java's network layer\n");
}

VIV_TEST(server_config, what_would_change_a_promise_is_refused_and_its_default_is_not)
{
    struct viv_config config;
    expect_clean(&config, BASE "forceSync=yes\nquorum.auth.enableSasl=false\nobserverMasterPort=0\n", NULL);
    expect_message(
        BASE "forceSync=no\n", NULL,
        "f:3: error: forceSync=no: not supported; legal: yes; durability=none says that nothing needs to last\n");
}

#define THREE "initLimit=10\nsyncLimit=5\nserver.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n"

VIV_TEST(server_config, voters_may_be_in_groups_with_weights)
{
    struct viv_config config;
    struct viv_buffer text = {0};
    expect_clean(&config, "group.2=3\nweight.2=0\n" BASE THREE "group.1=1:2\n", "1");
    cr_assert_eq(config.members.items[2].group, 2);
    cr_assert_eq(config.members.items[1].weight, 0);
    viv_members_print(&config.members, &text);
    cr_assert(viv_bytes_equal(viv_buffer_bytes(&text),
                              VIV_BYTES_LITERAL("server.1=a:1:2:participant\nserver.2=b:1:2:participant\n"
                                                "server.3=c:1:2:participant\ngroup.1=1:2\ngroup.2=3\n"
                                                "weight.1=1\nweight.2=0\nweight.3=1\nversion=0")),
              "%.*s", (int)text.size, (const char *)text.data);
    viv_buffer_fini(&text);
}

VIV_TEST(server_config, groups_that_decide_nothing_are_refused)
{
    expect_message(BASE THREE "group.1=1:2\n", "1", "f:8: error: server 3 is in no group; legal: every voter in one\n");
    expect_message(BASE THREE "group.1=1:2:3:4\n", "1",
                   "f:8: error: group.1 names server 4, which has no server line\n");
    expect_message(BASE THREE "group.1=1:2:3\ngroup.2=3\n", "1",
                   "f:9: error: server 3 is in two groups, 1 and 2; legal: one\n");
    expect_message(BASE THREE "weight.1=2\n", "1",
                   "f:8: error: a weight counts within a group only; legal: group lines that name every voter\n");
    expect_message(BASE THREE "group.1=1:2:3\nweight.1=0\nweight.2=0\nweight.3=0\n", "1",
                   "f:11: error: every voter has weight 0; at least one must count\n");
    expect_message(
        BASE THREE "group.1=1;2\n", "1",
        "f:8: error: group.1=1;2: not numbers of servers with colons between; legal: group.G=N:N:..., G from 1 "
        "to 255, the voters of one group\n");
}

VIV_TEST(server_config, what_requests_may_do_is_set_in_zookeepers_words)
{
    struct viv_config config;
    expect_clean(&config, BASE, NULL);
    cr_assert_not(config.extended_types || config.emulate_353_ttl || config.skip_acl);
    cr_assert_eq(config.enforce_quota, VIV_QUOTA_AUTO);
    cr_assert_eq(config.auth_schemes, VIV_ACL_SCHEMES_DEFAULT);
    cr_assert_eq(config.container_check_ms, 60000);
    expect_clean(&config,
                 BASE "extendedTypesEnabled=true\nenforceQuota=false\nznode.container.maxPerMinute=7\n"
                      "DigestAuthenticationProvider.superDigest=super:hash=\n"
                      "DigestAuthenticationProvider.digestAlg=sha-256\n"
                      "authProvider.1=org.apache.zookeeper.server.auth.SASLAuthenticationProvider\n"
                      "authProvider.x509=org.apache.zookeeper.server.auth.X509AuthenticationProvider\n",
                 NULL);
    cr_assert(config.extended_types);
    cr_assert_eq(config.enforce_quota, VIV_QUOTA_OFF);
    cr_assert_eq(config.containers_per_minute, 7);
    cr_assert_str_eq(config.super_digest, "super:hash=");
    cr_assert_eq(config.digest_algorithm, VIV_IDENTITY_SHA256);
    cr_assert_eq(config.auth_schemes, VIV_ACL_SCHEMES_DEFAULT | VIV_ACL_SASL | VIV_ACL_X509);
    expect_message(BASE "skipACL=yes\n", NULL, "f:3: warning: skipACL is on: everybody may do everything\n");
    expect_message(BASE "ssl.quorum.clientAuth=none\n", NULL,
                   "f:3: warning: ssl.quorum.clientAuth has no effect: servers always show each other certificates\n");
    expect_message(BASE "authProvider.1=com.example.Mine\n", NULL,
                   "f:3: error: authProvider.1=com.example.Mine: a provider that this server has not; legal: the name "
                   "of ZooKeeper's class X509AuthenticationProvider, SASLAuthenticationProvider, "
                   "DigestAuthenticationProvider or IPAuthenticationProvider\n");
}

VIV_TEST(server_config, the_admin_port_is_on_loopback_unless_it_is_put_elsewhere)
{
    struct viv_config config;
    expect_clean(&config, BASE, NULL);
    cr_assert(config.admin.enabled && !config.admin.force_https && !config.audit_enabled);
    cr_assert_str_eq(config.admin.address, "127.0.0.1");
    cr_assert_str_eq(config.admin.command_url, "/commands");
    cr_assert_eq(config.admin.port, -1);
    cr_assert_str_eq(config.audit_file, "/d/audit.log");
    expect_clean(&config, BASE "admin.serverAddress=0.0.0.0\nadmin.serverPort=0\nadmin.commandURL=/ops\n", NULL);
    cr_assert_str_eq(config.admin.address, "0.0.0.0");
    cr_assert_str_eq(config.admin.command_url, "/ops");
    cr_assert_eq(config.admin.port, 0);
    expect_clean(&config,
                 BASE "admin.enableServer=false\nmetricsProvider.className=" VIV_CONFIG_PROMETHEUS_PROVIDER "\n", NULL);
    cr_assert_not(config.admin.enabled);
    cr_assert_eq(config.metrics.port, 7000);
    expect_message(
        BASE "metricsProvider.className=com.example.Own\n", NULL,
        "f:3: warning: metricsProvider.className=com.example.Own has no effect: only Prometheus has a port of "
        "its own (" VIV_CONFIG_PROMETHEUS_PROVIDER ")\n");
    expect_message(BASE "admin.portUnification=true\nadmin.needClientAuth=true\n", NULL,
                   "f:4: warning: admin.needClientAuth=true: who comes without TLS is answered without a certificate; "
                   "set admin.forceHttps=true\n");
    expect_clean(&config, BASE "admin.forceHttps=true\nadmin.needClientAuth=true\n", NULL);
    expect_message(BASE "admin.commandURL=commands\n", NULL,
                   "f:3: error: admin.commandURL=commands: not usable; legal: a path that begins with / and goes on, "
                   "without a / at its end\n");
}

/* In the order of the table, where the first that fits counts; one that ends in a dot fits all that begin with it. */
static const char *const key_names[] = {
#define VIV_CONFIG_INT(key, member, least, greatest, fallback, unit) key,
#define VIV_CONFIG_BOOL(key, member, fallback)                       key,
#define VIV_CONFIG_TEXT(key, member, kind, legal)                    key,
#define VIV_CONFIG_ONLY(key, value, instead)                         key,
#define VIV_CONFIG_IGNORED(key, reason)                              key,
#define VIV_CONFIG_REFUSED(key, instead)                             key,
#include "server/config_keys.def"
};

VIV_TEST(server_config, no_key_is_hidden_by_one_above_it)
{
    for (size_t i = 0; i < sizeof key_names / sizeof key_names[0]; i++) {
        size_t size = strlen(key_names[i]);
        for (size_t below = i + 1; below < sizeof key_names / sizeof key_names[0]; below++) {
            bool is_hidden = key_names[i][size - 1] == '.' ? strncmp(key_names[i], key_names[below], size) == 0
                                                           : strcmp(key_names[i], key_names[below]) == 0;
            cr_assert_not(is_hidden, "%s hides %s", key_names[i], key_names[below]);
        }
    }
}
