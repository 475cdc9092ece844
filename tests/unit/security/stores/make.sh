#!/bin/sh
# Makes the stores of this folder anew, with Java's keytool and openssl; the tests read what is kept here.
# A P-256 key, a hundred years of it; each store holds it or trusts it, the passwords are all "secret".
set -eu
cd "$(dirname "$0")"
rm -f ./*.jks ./*.p12 ./*.pem
name='CN=vivarium test, OU=a\+b, O=Example\, Inc., C=DE'
keytool -genkeypair -keystore key.jks -storetype JKS -storepass secret -keypass secret -alias own -keyalg EC \
    -groupname secp256r1 -dname "$name" -startdate "2020/01/01 00:00:00" -validity 36500 -ext san=dns:localhost,ip:127.0.0.1 2>/dev/null
keytool -exportcert -keystore key.jks -storepass secret -alias own -rfc -file trust.pem 2>/dev/null
keytool -importcert -keystore trust.jks -storetype JKS -storepass secret -alias own -file trust.pem -noprompt 2>/dev/null
keytool -importkeystore -srckeystore key.jks -srcstorepass secret -destkeystore key.p12 -deststoretype PKCS12 \
    -deststorepass secret -srcalias own 2>/dev/null
keytool -importkeystore -srckeystore key.jks -srcstorepass secret -destkeystore old.p12 -deststoretype PKCS12 \
    -deststorepass secret -srcalias own -J-Dkeystore.pkcs12.legacy 2>/dev/null
keytool -importcert -keystore trust.p12 -storetype PKCS12 -storepass secret -alias own -file trust.pem -noprompt 2>/dev/null
openssl pkcs12 -in key.p12 -passin pass:secret -nodes -nocerts 2>/dev/null | openssl pkcs8 -topk8 -nocrypt >plain.pem
openssl pkcs8 -topk8 -in plain.pem -passout pass:secret >key.pem
cat trust.pem >>key.pem
cat trust.pem >>plain.pem
# And one whose time is over.
keytool -genkeypair -keystore expired.p12 -storetype PKCS12 -storepass secret -alias own -keyalg EC \
    -groupname secp256r1 -dname "$name" -startdate "2020/01/01 00:00:00" -validity 1 2>/dev/null
