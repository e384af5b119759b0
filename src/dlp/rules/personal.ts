import { IBAN_COUNTRIES } from '../checksums.ts';
import type { Rule } from '../rule.ts';
import { vendor } from './shapes.ts';

/** What is no key to a service and leaves a person poorer all the same. */
export const PERSONAL_RULES: readonly Rule[] = [
  ...vendor('Payment cards', 'https://www.iso.org/standard/70484.html', [
    {
      id: 'payment-card',
      keywords: ['4', '5', '2', '3', '6'],
      pattern:
        '(?:^|[^\\w.+/=-])((?:4[0-9]{3}|5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720|6011|65[0-9]{2}|64[4-9][0-9]|35(?:2[89]|[3-8][0-9]))(?:[ -]?[0-9]{4}){3}|3[47][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{5})(?:[^\\w.+/=-]|[.](?:[^0-9]|$)|$)',
      secretGroup: 1,
      checksum: 'luhn',
      kind: 'personal',
      severity: 'medium',
      examples: {
        match: ['card: 4012 8888 8888 1881', '"number":"5500005555555559"', 'paid with 3782-822463-10005.'],
        miss: ['4111 1111 1111 1112', 'id 0.4111111111111111', 'x4012888888881881y', '4111111111111'],
      },
    },
  ]),
  ...vendor('Bank accounts', 'https://www.swift.com/standards/data-standards/iban-international-bank-account-number', [
    {
      id: 'iban',
      keywords: IBAN_COUNTRIES,
      pattern: `\\b(?:${IBAN_COUNTRIES.join('|')})[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\\b`,
      checksum: 'iban',
      kind: 'personal',
      severity: 'medium',
      examples: {
        match: [
          'IBAN DE89 3704 0044 0532 0130 00',
          'pay to GB82WEST12345698765432 please',
          '"FR1420041010050500013M02606"',
        ],
        miss: ['DE89 3704 0044 0532 0130 01', 'DE8937040044053201300', 'XX82WEST12345698765432'],
      },
    },
  ]),
  ...vendor('Wallets', 'https://github.com/bitcoin/bips/blob/master/bip-0039.mediawiki', [
    {
      id: 'seed-phrase',
      keywords: ['a', 'e', 'i', 'o', 'u'],
      pattern: '\\b[a-z]{3,8}(?:[^a-z]{1,8}[a-z]{3,8}){11,23}\\b',
      engine: 'seed-phrase',
      kind: 'personal',
      severity: 'critical',
      examples: {
        match: [
          'legal winner thank year wave sausage worth useful legal winner thank yellow',
          '{"seed": ["letter","advice","cage","absurd","amount","doctor","acoustic","avoid","letter","advice","cage","above"]}',
          '1. hamster 2. diagram 3. private 4. dutch 5. cause 6. delay 7. private 8. meat 9. slide 10. toddler 11. razor 12. book 13. happy 14. fancy 15. gospel 16. tennis 17. maple 18. dilemma 19. loan 20. word 21. shrug 22. inflict 23. delay 24. length',
          '"legal\\nwinner\\nthank\\nyear\\nwave\\nsausage\\nworth\\nuseful\\nlegal\\nwinner\\nthank\\nyellow"',
        ],
        miss: [
          'legal winner thank year wave sausage worth useful legal winner thank year',
          'legal winner thank year wave sausage worth useful legal winner thank',
          'abandon ability able about above absent absorb abstract absurd abuse access accident account accuse achieve acid',
          'abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about',
        ],
      },
    },
  ]),
];
