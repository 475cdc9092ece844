# Backends are found by reading list.mk, which Automake includes as it stands: one list for both tools.

# VIV_DETECT_BACKEND(NAME, PKG-CONFIG-MODULE or empty, DEBIAN-PACKAGE)
AC_DEFUN([VIV_DETECT_BACKEND], [
have_$1=yes
m4_ifval([$2], [
AC_ARG_WITH([$1],
  [AS_HELP_STRING([--with-$1], [build the $1 backend; an error if its library is missing (default: if found)])],
  [], [with_$1=auto])
have_$1=no
AS_IF([test "x$with_$1" != xno],
  [PKG_CHECK_MODULES(m4_toupper([$1]), [$2], [have_$1=yes], [have_$1=no])])
AS_IF([test "x$with_$1.$have_$1" = xyes.no],
  [AC_MSG_ERROR([--with-$1 was given, but $2 was not found: install the package $3])])
])
AM_CONDITIONAL([BACKEND_]m4_toupper([$1]), [test "x$have_$1" = xyes])
AS_IF([test "x$have_$1" = xyes],
  [AC_DEFINE([VIV_HAVE_]m4_toupper([$1]), [1], [The $1 backend is built in.])
   viv_backends="$viv_backends $1"])
])

AC_DEFUN([VIV_BACKENDS], [
viv_backends=
m4_foreach_w([viv_name],
  m4_bpatsubst(m4_quote(m4_include([backends/list.mk])),
               [include backends/\([a-z0-9_]*\)/local\.mk], [\1]),
  [m4_sinclude([backends/]viv_name[/detect.m4])dnl
VIV_DETECT_BACKEND(viv_name, m4_ifdef([VIV_PKG_]viv_name, [m4_defn([VIV_PKG_]viv_name)]),
                   m4_ifdef([VIV_DEB_]viv_name, [m4_defn([VIV_DEB_]viv_name)]))])

AC_ARG_WITH([backend],
  [AS_HELP_STRING([--with-backend=CONFIGURATION],
     [default storage configuration of the built programs and of make check:
      flat, lmdb-wal, rocksdb-wal or memory @<:@flat@:>@])],
  [], [with_backend=flat])
AS_CASE([$with_backend],
  [flat|memory], [],
  [lmdb-wal], [AS_IF([test "x$have_lmdb" != xyes],
    [AC_MSG_ERROR([--with-backend=lmdb-wal needs LMDB: install the package liblmdb-dev])])],
  [rocksdb-wal], [AS_IF([test "x$have_rocksdb" != xyes],
    [AC_MSG_ERROR([--with-backend=rocksdb-wal needs RocksDB: install the package librocksdb-dev])])],
  [AC_MSG_ERROR([--with-backend=$with_backend: choose flat, lmdb-wal, rocksdb-wal or memory])])
AC_DEFINE_UNQUOTED([VIV_DEFAULT_CONFIGURATION], ["$with_backend"], [Storage configuration used when none is named.])
AC_SUBST([VIV_DEFAULT_CONFIGURATION], [$with_backend])
])
