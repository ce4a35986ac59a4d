# The helpers every CMakeLists.txt of the tree uses.

# Compile and link options of our own targets; generated code does not get the warnings.
add_library(adit_options INTERFACE)
target_include_directories(adit_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(adit_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Werror
  -fPIE -fstack-protector-strong -fcf-protection
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)
if(ADIT_SANITIZE STREQUAL "off")
  # With a sanitizer g++ 12 takes the zeroing it inserts for uses of uninitialised temporaries.
  target_compile_options(adit_options INTERFACE -ftrivial-auto-var-init=zero)
endif()
target_compile_definitions(adit_options INTERFACE _GLIBCXX_ASSERTIONS
  ADIT_VERSION="${PROJECT_VERSION}")
target_link_options(adit_options INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack)
if(ADIT_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(ADIT_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread)
  add_link_options(-fsanitize=thread)
elseif(ADIT_SANITIZE STREQUAL "fuzzer")
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_definitions(adit_options INTERFACE _FORTIFY_SOURCE=2)
endif()

# Tests are compiled quickly; what they test is optimised.
add_library(adit_test_options INTERFACE)
target_link_libraries(adit_test_options INTERFACE adit_options GTest::gmock)
target_compile_options(adit_test_options INTERFACE -O0 -g1 -U_FORTIFY_SOURCE)

# adit_headers(NAME LIBS … HEADERS …): headers that are parsed once a build and not once a file, for
# targets with the same options. Files still name what they include; tidy reads them without.
function(adit_headers name)
  cmake_parse_arguments(ARG "" "" "LIBS;HEADERS" ${ARGN})
  add_library(${name} OBJECT ${PROJECT_SOURCE_DIR}/cmake/precompiled.cc)
  target_link_libraries(${name} PRIVATE ${ARG_LIBS})
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
endfunction()
if(NOT ADIT_CORE_ONLY)
  adit_headers(adit_headers_grpc LIBS adit_options gRPC::grpc++ HEADERS <grpcpp/grpcpp.h>)
endif()
adit_headers(adit_headers_test LIBS adit_test_options HEADERS <gmock/gmock.h> <gtest/gtest.h>)
if(NOT ADIT_CORE_ONLY)
  adit_headers(adit_headers_grpc_test LIBS adit_test_options gRPC::grpc++
    HEADERS <gmock/gmock.h> <gtest/gtest.h> <grpcpp/grpcpp.h>)
endif()

# adit_library(dataplane/io SOURCES a.cc … DEPS common dataplane/packet LIBS absl::status …)
# makes the static library adit_dataplane_io of the folder's sources. DEPS are our folders.
# GRPC: most of its files include gRPC's headers.
function(adit_library folder)
  cmake_parse_arguments(ARG "GRPC" "" "SOURCES;DEPS;LIBS;PRIVATE_LIBS" ${ARGN})
  string(REPLACE "/" "_" name ${folder})
  add_library(adit_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(adit_${name} PUBLIC adit_options ${ARG_LIBS} PRIVATE ${ARG_PRIVATE_LIBS})
  set_target_properties(adit_${name} PROPERTIES UNITY_BUILD ${ADIT_UNITY} UNITY_BUILD_BATCH_SIZE 0)
  if(ARG_GRPC)
    target_precompile_headers(adit_${name} REUSE_FROM adit_headers_grpc)
  endif()
  foreach(dep ${ARG_DEPS})
    string(REPLACE "/" "_" dep_name ${dep})
    target_link_libraries(adit_${name} PUBLIC adit_${dep_name})
  endforeach()
endfunction()

# adit_test(tests/dataplane/io LABEL unit SOURCES a_test.cc … DEPS dataplane/io tests/support)
# makes one test program and registers each of its cases with ctest under the label.
# MEASURES: its cases measure time: they never run beside others; their label is LABEL-measures.
# GRPC: its files include gRPC's headers, or link what does.
function(adit_test folder)
  cmake_parse_arguments(ARG "MEASURES;GRPC" "LABEL;TIMEOUT;SUFFIX" "SOURCES;DEPS;LIBS" ${ARGN})
  string(REPLACE "/" "_" name ${folder}${ARG_SUFFIX})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE adit_test_options GTest::gtest_main ${ARG_LIBS})
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${ADIT_UNITY} UNITY_BUILD_BATCH_SIZE 0)
  target_compile_definitions(${name} PRIVATE ADIT_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    ADIT_BINARY_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  if(ARG_GRPC)
    target_precompile_headers(${name} REUSE_FROM adit_headers_grpc_test)
  else()
    target_precompile_headers(${name} REUSE_FROM adit_headers_test)
  endif()
  foreach(dep ${ARG_DEPS})
    string(REPLACE "/" "_" dep_name ${dep})
    target_link_libraries(${name} PRIVATE adit_${dep_name})
  endforeach()
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
    if(NOT ADIT_SANITIZE STREQUAL "off")
      set(ARG_TIMEOUT 400)
    endif()
  endif()
  set(properties LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT})
  if(ARG_MEASURES)
    set(properties LABELS ${ARG_LABEL}-measures TIMEOUT ${ARG_TIMEOUT} RUN_SERIAL ON)
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60 PROPERTIES ${properties})
endfunction()
