/** Code of a reason why a signature does not match. Prefixes of paths are seen from the sender. */
export type ExplainCause =
  | 'other_key'
  | 'key_size'
  | 'padding_pss'
  | 'hash'
  | 'scheme_other_version'
  | 'string_other_version'
  | 'string_trailing_newline'
  | 'headers_missing'
  | 'headers_malformed'
  | 'clock_skew'
  | 'time_milliseconds'
  | 'time_changed'
  | 'uuid_case'
  | 'uuid_changed'
  | 'method_changed'
  | 'path_decoded'
  | 'path_encoded_twice'
  | 'path_not_normalized'
  | 'path_prefix_added'
  | 'path_prefix_removed'
  | 'path_trailing_slash'
  | 'path_parameters_dropped'
  | 'path_slashes_before_dots'
  | 'path_with_query'
  | 'absolute_url'
  | 'query_left_out'
  | 'query_parameter_added'
  | 'query_parameter_removed'
  | 'query_not_canonical'
  | 'query_order'
  | 'query_space_as_plus'
  | 'query_plus_not_space'
  | 'query_reserved_not_escaped'
  | 'query_escaped_twice'
  | 'query_decoded'
  | 'query_text_after_equals_dropped'
  | 'query_text_after_question_mark_dropped'
  | 'query_plus_as_space'
  | 'body_left_out'
  | 'body_json_rewritten'
  | 'body_compressed'
  | 'body_line_ends'
  | 'body_final_newline'
  | 'body_charset'
  | 'body_byte_order_mark'
  | 'body_given';

/** What is said of each cause: what happened, and what to change. Grouped by what is wrong. */
const CAUSES: Record<ExplainCause, readonly [text: string, remedy: string]> = {
  // The signature itself.
  other_key: [
    'The signature was not made with the private key that belongs to this public key.',
    'Compare the key pair of the sender with the public key that the MAuth service has for its app UUID.',
  ],
  key_size: [
    'The signature has another length than signatures of this public key.',
    'The sender signs with another key pair: compare it with the public key that the MAuth service has.',
  ],
  padding_pss: [
    'The signature is padded as RSA-PSS; MAuth uses PKCS#1 v1.5.',
    'Choose PKCS#1 v1.5 (often the default) in the RSA call of the sender.',
  ],
  hash: [
    'What was signed is not a SHA-512 digest as this version of MAuth writes it.',
    'Sign SHA-512: V2 as RSASSA-PKCS1-v1_5 does it, V1 as lower-case hexadecimal text.',
  ],
  scheme_other_version: [
    'The signature was made by the RSA operation of the other MAuth version.',
    'V1: private-key encryption of the hexadecimal SHA-512. V2: RSASSA-PKCS1-v1_5 with SHA-512.',
  ],
  string_other_version: [
    'The text that was signed is built as in the other MAuth version.',
    'Build the string to sign of the version whose headers are sent.',
  ],
  string_trailing_newline: [
    'The text that was signed has one line feed too many or too few at its end.',
    'Join the parts with line feeds; V2 ends in one where there is no query, V1 never does.',
  ],
  // The headers.
  headers_missing: [
    'The authentication header or the time header is missing.',
    'Send MCC-Authentication with MCC-Time (V2), or X-MWS-Authentication with X-MWS-Time (V1).',
  ],
  headers_malformed: [
    'A MAuth header does not have the form that the protocol asks for.',
    'Send "MWSV2 <app uuid>:<base64>;" (V2) or "MWS <app uuid>:<base64>" (V1) once, and the time in whole seconds.',
  ],
  clock_skew: [
    'The time of the request is more than five minutes from the clock of this side.',
    'Set both clocks by NTP, and sign each request when it is sent. For a recorded request, give the time it came.',
  ],
  time_milliseconds: ['The time is in milliseconds.', 'Send and sign whole seconds since 1970.'],
  time_changed: [
    'The time that was signed is another than the one that was sent.',
    'Read the clock once for each request, and use that value for header and string to sign.',
  ],
  uuid_case: [
    'The app UUID was signed in other letters (upper or lower case) than it was sent in.',
    'Use one spelling of the app UUID for header and string to sign.',
  ],
  uuid_changed: [
    'The app UUID that was signed is another than the one in the header.',
    'Use the same app UUID for header and string to sign.',
  ],
  // The request line.
  method_changed: [
    'The request was signed with another method, or in lower case.',
    'Sign the method as it is sent, in upper case; look for a proxy or an override that changes it.',
  ],
  path_decoded: [
    'The path was signed with its percent escapes decoded.',
    'Sign the path as it stands on the request line.',
  ],
  path_encoded_twice: [
    'The path was signed with one more percent-encoding than it arrived with.',
    'Encode the path once, and sign that; see that no proxy decodes it.',
  ],
  path_not_normalized: [
    'The path was signed without the changes that V2 asks for (dot segments, double slashes, escapes in upper case).',
    'Normalize the path before it is signed, or avoid such paths.',
  ],
  path_prefix_added: [
    'A prefix was put in front of the path on its way.',
    'Pass the path on as it came, or give the original one to the option `requestTarget`.',
  ],
  path_prefix_removed: [
    'A prefix of the path was taken away on its way.',
    'Pass the path on as it came, or give the original one to the option `requestTarget`.',
  ],
  path_trailing_slash: [
    'The path was signed with a slash at its end that did not arrive, or without one that did.',
    'Sign the path that is sent; look for a proxy that adds or removes the slash.',
  ],
  path_parameters_dropped: [
    'The text behind a semicolon in the path was not signed.',
    'Avoid ";" in paths for this client.',
  ],
  path_slashes_before_dots: [
    'Double slashes were squeezed before dot segments were removed.',
    'Avoid paths that have both, such as /x//../y.',
  ],
  path_with_query: [
    'The query stands in the text where only the path belongs.',
    'Split the target at its first "?": V1 signs no query, V2 signs it as the last part.',
  ],
  absolute_url: [
    'An absolute URL was signed instead of the path.',
    'Sign the path alone, from its first slash on.',
  ],
  // The query.
  query_left_out: ['The query was not signed.', 'V2 signs the query: add it to the string to sign.'],
  query_parameter_added: [
    'A parameter was added to the query on its way, or was left out when signing.',
    'Sign all parameters that are sent; look for a proxy or a tracing tool that adds some.',
  ],
  query_parameter_removed: [
    'A parameter that was signed did not arrive.',
    'Look for a proxy that removes parameters.',
  ],
  query_not_canonical: [
    'The query was signed as it was sent, not in the form of V2.',
    'Decode, sort and encode the parameters before signing.',
  ],
  query_order: [
    'The parameters were signed in another order.',
    'Sort by the bytes of the decoded name, then of the decoded value.',
  ],
  query_space_as_plus: [
    'Spaces in the query were signed as "+".',
    'Write a space as %20 in the string to sign.',
  ],
  query_plus_not_space: [
    'A "+" in the query was signed as a plus sign.',
    'MAuth reads "+" as a space: send %2B for a plus sign.',
  ],
  query_reserved_not_escaped: [
    'Reserved characters in the query were signed without escaping.',
    "Escape every byte except A-Z a-z 0-9 - _ . ~ (encodeURIComponent leaves ! ' ( ) * as they are).",
  ],
  query_escaped_twice: [
    'Names and values were signed with one more percent-encoding than they were sent with.',
    'Decode each name and value before it is encoded for the string to sign.',
  ],
  query_decoded: [
    'Names and values were signed decoded.',
    'Encode each name and value again for the string to sign.',
  ],
  query_text_after_equals_dropped: [
    'The text behind the second "=" of a parameter was not signed.',
    'Send "=" inside a value as %3D.',
  ],
  query_text_after_question_mark_dropped: [
    'The text behind the second "?" of the target was not signed.',
    'Send "?" inside a query as %3F.',
  ],
  query_plus_as_space: [
    'A plus sign (%2B) in the query was signed as a space.',
    'Avoid plus signs in parameters for this client.',
  ],
  // The body.
  body_left_out: [
    'The request was signed as if it had no body.',
    'Sign the bytes of the body that are sent; sign after the body was written.',
  ],
  body_json_rewritten: [
    'The JSON of the body was signed in another spelling than it arrived in.',
    'Sign the bytes that are sent; look for a layer that parses the body and writes it anew.',
  ],
  body_compressed: [
    'The body was compressed or decompressed between signing and arrival.',
    'Sign the bytes on the wire, after compression; see that no proxy decompresses them.',
  ],
  body_line_ends: [
    'The line ends of the body were changed (LF, CRLF).',
    'Send and sign the body as bytes, not as text.',
  ],
  body_final_newline: [
    'A line end at the end of the body was added or removed.',
    'Send and sign the body as bytes; `curl -d @file` drops line ends, `--data-binary` keeps them.',
  ],
  body_charset: [
    'The text of the body was signed in another character encoding.',
    'Make bytes of the text once, in UTF-8, and sign those.',
  ],
  body_byte_order_mark: [
    'A byte order mark in front of the body was added or removed.',
    'Write text without a byte order mark, and sign the bytes that are sent.',
  ],
  body_given: [
    'The signature covers one of the bodies that were given to compare with.',
    'Find out what replaces that body on its way.',
  ],
};

/** A cause that was proven: with it, and those beside it, the signature comes out as it was received. */
export interface ProvenCause {
  readonly code: ExplainCause;
  /** One sentence: what happened. Holds no value of a query and nothing of a body. */
  readonly text: string;
  /** One sentence: what to change, and on which side. */
  readonly remedy: string;
}

export function provenCause(code: ExplainCause): ProvenCause {
  const [text, remedy] = CAUSES[code];
  return { code, text, remedy };
}
