/* The functions of libclang that qcc calls, loaded by name. */
#ifndef QCC_COMPILER_CLANG_API_H
#define QCC_COMPILER_CLANG_API_H

#include <clang-c/Index.h>

#define CLANG_FUNCTIONS(X)                                                                                   \
  X(createIndex)                                                                                             \
  X(disposeIndex)                                                                                            \
  X(parseTranslationUnit2)                                                                                   \
  X(disposeTranslationUnit)                                                                                  \
  X(getTranslationUnitCursor)                                                                                \
  X(visitChildren)                                                                                           \
  X(getNumDiagnostics)                                                                                       \
  X(getDiagnostic)                                                                                           \
  X(disposeDiagnostic)                                                                                       \
  X(getDiagnosticSeverity)                                                                                   \
  X(getDiagnosticLocation)                                                                                   \
  X(getDiagnosticSpelling)                                                                                   \
  X(getDiagnosticOption)                                                                                     \
  X(getChildDiagnostics)                                                                                     \
  X(getNumDiagnosticsInSet)                                                                                  \
  X(getDiagnosticInSet)                                                                                      \
  X(getCString)                                                                                              \
  X(disposeString)                                                                                           \
  X(getFileLocation)                                                                                         \
  X(getFileName)                                                                                             \
  X(getCursorKind)                                                                                           \
  X(getCursorLocation)                                                                                       \
  X(getCursorSpelling)                                                                                       \
  X(getCursorReferenced)                                                                                     \
  X(getCursorType)                                                                                           \
  X(getCanonicalType)                                                                                        \
  X(getTypeSpelling)                                                                                         \
  X(getArrayElementType)                                                                                     \
  X(isConstQualifiedType)                                                                                    \
  X(Type_getSizeOf)                                                                                          \
  X(isCursorDefinition)                                                                                      \
  X(Cursor_getStorageClass)                                                                                  \
  X(getCursorResultType)                                                                                     \
  X(Cursor_getNumArguments)                                                                                  \
  X(Cursor_getArgument)                                                                                      \
  X(getPointeeType)                                                                                          \
  X(Cursor_isVariadic)                                                                                       \
  X(Location_isFromMainFile)                                                                                 \
  X(getFileContents)                                                                                         \
  X(Location_isInSystemHeader)

typedef struct {
#define X(name) __typeof__(clang_##name) *name;
  CLANG_FUNCTIONS(X)
#undef X
} ClangApi;

#endif
