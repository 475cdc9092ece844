#include "tests/support/viv_test.h"
#include "wire/path.h"

static bool valid(const char *path)
{
    return viv_path_is_valid(viv_bytes_text(path));
}

VIV_TEST(wire_path, ordinary_paths_are_valid)
{
    cr_assert(valid("/"));
    cr_assert(valid("/a"));
    cr_assert(valid("/a/b c/..."));
    cr_assert(valid("/.a"));
    cr_assert(valid("/\xc2\xa0/\xef\xa4\x80/\xef\xbf\xaf"), "U+00A0, U+F900 and U+FFEF are allowed");
    cr_assert(valid("/\xed\x9f\xbf"), "U+D7FF is allowed");
}

VIV_TEST(wire_path, broken_paths_are_not_valid)
{
    static const char *const broken[] = {"",
                                         "a",
                                         "/a/",
                                         "//",
                                         "/a//b",
                                         "/.",
                                         "/a/.",
                                         "/..",
                                         "/a/../b",
                                         "/a\x01",
                                         "/a\x7f",
                                         "/\xc2\x80",
                                         "/\xee\x80\x80",
                                         "/\xef\xbf\xb0",
                                         "/\xf0\x9f\x98\x80",
                                         "/\xff",
                                         "/\xc3",
                                         "/\xed\xa0\x80",
                                         "/\xe0\x80\x80"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        cr_assert_not(valid(broken[i]), "case %zu", i);
    }
    cr_assert_not(viv_path_is_valid(viv_bytes_of("/a\0b", 4)));
}

VIV_TEST(wire_path, parent_and_name_split_at_the_last_slash)
{
    struct viv_bytes path = VIV_BYTES_LITERAL("/a/b");
    cr_assert(viv_bytes_equal(viv_path_parent(path), VIV_BYTES_LITERAL("/a")));
    cr_assert(viv_bytes_equal(viv_path_name(path), VIV_BYTES_LITERAL("b")));
    cr_assert_eq(viv_path_parent(VIV_BYTES_LITERAL("/x")).size, 0);
    cr_assert_eq(viv_path_name(VIV_BYTES_LITERAL("/")).size, 0);
    cr_assert_not(viv_path_has_parent(VIV_BYTES_LITERAL("nope")));
    cr_assert_not(viv_path_has_parent(viv_bytes_of("/a\0", 3)));
}

VIV_TEST(wire_path, the_built_in_nodes_are_reserved)
{
    cr_assert(viv_path_is_reserved(VIV_BYTES_LITERAL("/zookeeper/quota")));
    cr_assert_not(viv_path_is_reserved(VIV_BYTES_LITERAL("/zookeeper/quota/x")));
}
