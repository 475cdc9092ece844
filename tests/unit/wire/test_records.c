#include "tests/support/hex.h"
#include "tests/support/viv_test.h"
#include "wire/records.h"
#include "wire/session.h"

VIV_TEST(wire_session, the_password_of_a_captured_session_is_reproduced)
{
    uint8_t password[VIV_PASSWORD_BYTES];
    viv_session_password(0x01000038b5f30000, password);
    viv_hex_expect(viv_bytes_of(password, sizeof password), "4f9ed9eb30934c2f459718e8f9ae9ec9");
}

VIV_TEST(wire_records, the_captured_handshake_is_reproduced)
{
    struct viv_buffer out = {0};
    uint8_t zeros[16] = {0};
    struct viv_connect_request request = {
        .timeout_ms = 10000, .password = {viv_bytes_of(zeros, 16), false}, .has_read_only = true};
    viv_connect_request_encode(&out, &request);
    viv_hex_expect(viv_buffer_bytes(&out), "00000000 0000000000000000 00002710 0000000000000000 00000010"
                                           "00000000000000000000000000000000 00");
    struct viv_jute_reader reader = viv_jute_reader_of((struct viv_bytes){out.data, 44});
    viv_connect_request_decode(&reader, &request);
    cr_assert_not(reader.bad);
    cr_assert_not(request.has_read_only, "clients older than 3.4 send 44 bytes");
    viv_buffer_clear(&out);
    struct viv_connect_response response = {
        .timeout_ms = 10000, .session_id = 0x01000038b5f30000, .has_read_only = true};
    viv_session_password(response.session_id, response.password);
    viv_connect_response_encode(&out, &response);
    viv_hex_expect(viv_buffer_bytes(&out),
                   "00000000 00002710 01000038b5f30000 00000010 4f9ed9eb30934c2f459718e8f9ae9ec9 00");
    viv_buffer_fini(&out);
}

VIV_TEST(wire_records, a_captured_create_transaction_is_read_and_written_back)
{
    static const char captured[] =
        "010000124f4c0000 00000001 0000000000000004 000001a1f8483d76 00000001"
        "00000006 2f706c61696e 00000005 68656c6c6f 00000001 0000001f 00000005 776f726c64 00000006 616e796f6e65 00"
        "00000001";
    struct viv_buffer bytes = {0};
    struct viv_buffer again = {0};
    viv_hex_append(&bytes, captured);
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&bytes));
    struct viv_txn_header header;
    struct viv_create_txn txn;
    viv_txn_header_decode(&reader, &header);
    viv_create_txn_decode(&reader, &txn, (enum viv_op)header.type);
    cr_assert_not(reader.bad);
    cr_assert_eq(reader.rest.size, 0);
    cr_assert(viv_bytes_equal(txn.path, VIV_BYTES_LITERAL("/plain")));
    cr_assert(viv_bytes_equal(txn.acl, viv_acl_open_unsafe()));
    cr_assert_eq(txn.parent_cversion, 1);
    viv_txn_header_encode(&again, &header);
    viv_create_txn_encode(&again, &txn, (enum viv_op)header.type);
    viv_hex_expect(viv_buffer_bytes(&again), captured);
    viv_buffer_fini(&bytes);
    viv_buffer_fini(&again);
}

VIV_TEST(wire_jute, a_reader_stops_at_the_first_violation)
{
    struct viv_buffer bytes = {0};
    viv_hex_append(&bytes, "fffffffe 00000001");
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&bytes));
    viv_jute_read_buffer(&reader);
    cr_assert(reader.bad, "a length of -2 is neither null nor a size");
    cr_assert_eq(viv_jute_read_int(&reader), 0);
    reader = viv_jute_reader_of(viv_buffer_bytes(&bytes));
    viv_jute_read_int(&reader);
    cr_assert_eq(viv_jute_read_count(&reader, 4), 0);
    cr_assert(reader.bad, "one element of four bytes does not fit into nothing");
    viv_buffer_fini(&bytes);
}

VIV_TEST(wire_jute, null_and_empty_are_told_apart)
{
    struct viv_buffer bytes = {0};
    viv_jute_write_slice(&bytes, (struct viv_jute_slice){.null = true});
    viv_jute_write_slice(&bytes, (struct viv_jute_slice){0});
    struct viv_jute_reader reader = viv_jute_reader_of(viv_buffer_bytes(&bytes));
    cr_assert(viv_jute_read_buffer(&reader).null);
    cr_assert_not(viv_jute_read_buffer(&reader).null);
    cr_assert_not(reader.bad);
    viv_buffer_fini(&bytes);
}
